// A webhook as a durable workflow whose id is the event's: DBOS Transact starts it once, and one step sends its record.
// Answered when the workflow has ended.
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { DBOS } from "@dbos-inc/dbos-sdk"
import kafkajs from "kafkajs"

const { PEER_BROKERS, PEER_DATABASE_URL, PEER_PORT, PEER_TOPIC } = process.env
const kafka = new kafkajs.Kafka({ brokers: PEER_BROKERS.split(","), logLevel: kafkajs.logLevel.ERROR })
const producer = kafka.producer({ allowAutoTopicCreation: false })

const send = async (event) => {
  const value = JSON.stringify({ id: event.id, type: event.event_type, amount: event.resource.amount })
  await producer.send({ topic: PEER_TOPIC, acks: -1, messages: [{ key: event.id, value }] })
}

const webhook = DBOS.registerWorkflow(
  async (event) => {
    await DBOS.runStep(() => send(event), { name: "send", retriesAllowed: true })
    return "processed"
  },
  { name: "webhook" }
)

DBOS.setConfig({
  name: "webhooks",
  applicationVersion: "1",
  systemDatabaseUrl: PEER_DATABASE_URL,
  systemDatabasePoolSize: 32,
  logLevel: "error"
})
await producer.connect()
await DBOS.launch()

const answer = (response, status, body) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))

createServer(async (request, response) => {
  if (request.method === "GET") return answer(response, 200, { status: "ok" })
  try {
    const event = JSON.parse(await text(request))
    const handle = await DBOS.startWorkflow(webhook, { workflowID: event.id })(event)
    answer(response, 200, { status: await handle.getResult() })
  } catch {
    answer(response, 500, { status: "failed" })
  }
}).listen(Number(PEER_PORT), "127.0.0.1")
