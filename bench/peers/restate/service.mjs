// A webhook as an invocation under its idempotency key: Restate runs it once, and one durable step sends its record.
import * as restate from "@restatedev/restate-sdk"
import kafkajs from "kafkajs"

const { PEER_BROKERS, PEER_PORT, PEER_TOPIC } = process.env
const kafka = new kafkajs.Kafka({ brokers: PEER_BROKERS.split(","), logLevel: kafkajs.logLevel.ERROR })
const producer = kafka.producer({ allowAutoTopicCreation: false })
await producer.connect()

const gate = restate.service({
  name: "gate",
  handlers: {
    webhook: async (context, event) => {
      await context.run("send", async () => {
        const value = JSON.stringify({ id: event.id, type: event.event_type, amount: event.resource.amount })
        await producer.send({ topic: PEER_TOPIC, acks: -1, messages: [{ key: event.id, value }] })
      })
      return { status: "processed" }
    }
  }
})

await restate.serve({ services: [gate], port: Number(PEER_PORT) })
