import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { start } from "../../src/infra/embedded/EmbeddedKafka.ts"
import * as Containers from "../support/Containers.ts"
import { dataFolder, leftBehind } from "./embedded/Fixture.ts"

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
// One image for both ways.
process.env.ONCEGATE_KAFKA_IMAGE ??= Containers.KAFKA_IMAGE
if (!enabled) {
  console.log(
    `containers: skipped, ${asked ? "no Docker daemon answers" : "ONCEGATE_TEST_CONTAINERS is not 1"}`
  )
}

const connects = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host: "127.0.0.1", port })
    socket.once("connect", () => resume(Effect.succeed(true)))
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })

const portOf = (broker: string) => Number(broker.split(":")[1])

describe.skipIf(!enabled)("services by testcontainers", () => {
  it.live(
    "Postgres answers, and its container goes with the scope",
    () =>
      Effect.gen(function* () {
        const url = yield* Effect.scoped(
          Effect.gen(function* () {
            const url = yield* Containers.postgres
            const sql = postgres(url, { max: 1 })
            const [row] = yield* Effect.promise(() => sql`SELECT current_database() AS name`)
            assert.strictEqual(row?.name, "oncegate")
            yield* Effect.promise(() => sql.end())
            return new URL(url)
          })
        )
        assert.isFalse(yield* connects(Number(url.port)))
      }),
    300_000
  )

  it.live(
    "Kafka takes a record and gives it back, and its container goes with the scope",
    () =>
      Effect.gen(function* () {
        const brokers = yield* Effect.scoped(
          Containers.kafka.pipe(Effect.tap((brokers) => Effect.promise(() => roundTrip([...brokers]))))
        )
        assert.isFalse(yield* connects(portOf(brokers[0]!)))
      }),
    300_000
  )
})

describe.skipIf(!enabled)("EmbeddedKafka (Docker)", () => {
  it.live(
    "finds its topics at the second start, also after its owner was killed and left it running",
    () =>
      Effect.gen(function* () {
        const folder = yield* dataFolder
        yield* Effect.addFinalizer(() => Effect.sync(() => removeVolume(folder)))
        const before = yield* leftBehind("kafka", folder, "docker")
        yield* Effect.promise(() => roundTrip([before]))
        const broker = yield* Effect.scoped(
          Effect.gen(function* () {
            const { brokers, how } = yield* start({ folder })
            assert.strictEqual(how, "docker")
            yield* Effect.promise(() => hasTopic(brokers[0]!))
            return brokers[0]!
          })
        )
        assert.isFalse(yield* connects(portOf(broker)))
      }),
    300_000
  )
})

const removeVolume = (folder: string) => {
  const { name } = JSON.parse(readFileSync(path.join(folder, "cluster.json"), "utf8"))
  execFileSync("docker", ["volume", "rm", "--force", name])
}

const hasTopic = async (broker: string) => {
  const admin = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  assert.include(await admin.listTopics(), "shown")
  await admin.disconnect()
}

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
