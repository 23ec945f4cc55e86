import { assert, describe, it } from "@effect/vitest"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { freshPrefix, freshSchema, kafkaBrokers } from "../support/Services.ts"

describe("the services of a test run", () => {
  it("give each caller a schema of its own in one Postgres", { timeout: 180_000 }, async () => {
    const [one, other] = [await freshSchema(), await freshSchema()]
    const here = postgres(one.url, { max: 1 })
    const there = postgres(other.url, { max: 1 })
    await here`CREATE TABLE mine (id int)`
    const [inOne] = await here`SELECT current_schema() AS schema, to_regclass('mine')::text AS found`
    const [inOther] = await there`SELECT current_schema() AS schema, to_regclass('mine')::text AS found`
    await Promise.all([here.end(), there.end()])

    assert.deepEqual({ ...inOne }, { schema: one.schema, found: "mine" })
    assert.deepEqual({ ...inOther }, { schema: other.schema, found: null })
  })

  it("give a real Kafka, in which topics carry a prefix of their own", { timeout: 180_000 }, async () => {
    const kafka = new kafkajs.Kafka({
      brokers: [...(await kafkaBrokers())],
      logLevel: kafkajs.logLevel.NOTHING
    })
    const admin = kafka.admin()
    const topic = `${freshPrefix()}topic`
    await admin.connect()
    await admin.createTopics({ topics: [{ topic }], waitForLeaders: true })
    const topics = await admin.listTopics()
    await admin.disconnect()

    assert.include(topics, topic)
  })
})
