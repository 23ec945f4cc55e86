import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import kafkajs from "kafkajs"
import postgres from "postgres"
import * as Containers from "../support/Containers.ts"

const daemonAnswers = () => {
  try {
    return (
      execFileSync("docker", ["version", "--format", "{{.Server.Version}}"], { stdio: "pipe" }).length > 0
    )
  } catch {
    return false
  }
}

// The way of testcontainers is shown only where someone asks for it and it can run; elsewhere it counts as skipped.
const asked = process.env.ONCEGATE_TEST_CONTAINERS === "1"
const enabled = asked && daemonAnswers()
if (!enabled) {
  console.log(
    `containers: skipped, ${asked ? "no Docker daemon answers" : "ONCEGATE_TEST_CONTAINERS is not 1"}`
  )
}

const running = () => execFileSync("docker", ["ps", "--quiet", "--no-trunc"], { encoding: "utf8" })

describe.skipIf(!enabled)("services by testcontainers", () => {
  it.live(
    "Postgres answers, and its container goes with the scope",
    () =>
      Effect.gen(function* () {
        const before = running()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const url = yield* Containers.postgres
            assert.notStrictEqual(running(), before)
            const sql = postgres(url, { max: 1 })
            const [row] = yield* Effect.promise(() => sql`SELECT current_database() AS name`)
            assert.strictEqual(row?.name, "oncegate")
            yield* Effect.promise(() => sql.end())
          })
        )
        assert.strictEqual(running(), before)
      }),
    300_000
  )

  it.live(
    "Kafka takes a topic and gives a record back, and its container goes with the scope",
    () =>
      Effect.gen(function* () {
        const before = running()
        yield* Effect.scoped(
          Effect.gen(function* () {
            const brokers = yield* Containers.kafka
            yield* Effect.promise(() => roundTrip([...brokers]))
          })
        )
        assert.strictEqual(running(), before)
      }),
    300_000
  )
})

const roundTrip = async (brokers: Array<string>) => {
  const kafka = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING })
  const [admin, producer, consumer] = [kafka.admin(), kafka.producer(), kafka.consumer({ groupId: "reader" })]
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()])
  await admin.createTopics({ topics: [{ topic: "shown" }], waitForLeaders: true })
  await producer.send({ topic: "shown", messages: [{ value: "here" }] })
  await consumer.subscribe({ topics: ["shown"], fromBeginning: true })
  const value = await new Promise<string | undefined>((resolve) => {
    consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) })
  })
  await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()])
  assert.strictEqual(value, "here")
}
