import { readFileSync } from "node:fs"
import path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import kafkajs from "kafkajs"
import { start } from "../../../src/infra/embedded/EmbeddedKafka.ts"
import { startOf } from "../../../src/infra/embedded/LocalProcess.ts"
import { dataFolder, leftBehind } from "./Fixture.ts"

const withAdmin = <A>(broker: string, work: (admin: kafkajs.Admin) => Promise<A>) =>
  Effect.promise(async () => {
    const admin = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).admin()
    await admin.connect()
    try {
      return await work(admin)
    } finally {
      await admin.disconnect()
    }
  })

const createTopic = (broker: string) =>
  withAdmin(broker, (admin) => admin.createTopics({ topics: [{ topic: "kept" }], waitForLeaders: true }))

const topics = (broker: string) => withAdmin(broker, (admin) => admin.listTopics())

const pidIn = (folder: string) => Number(readFileSync(path.join(folder, "pid"), "utf8"))

describe("EmbeddedKafka (jars)", () => {
  it.live(
    "finds its topics and port at the second start, also after it was killed with its owner or left running",
    () =>
      Effect.gen(function* () {
        const folder = yield* dataFolder
        const first = yield* Effect.scoped(
          Effect.gen(function* () {
            const { brokers } = yield* start({ folder, ways: ["jars"] })
            yield* createTopic(brokers[0]!)
            return { brokers, pid: pidIn(folder) }
          })
        )
        assert.isUndefined(startOf(first.pid))

        yield* leftBehind("kafka", folder)
        const orphan = pidIn(folder)
        assert.isDefined(startOf(orphan))
        const second = yield* Effect.scoped(
          Effect.gen(function* () {
            const { brokers } = yield* start({ folder, ways: ["jars"] })
            assert.isUndefined(startOf(orphan))
            assert.include(yield* topics(brokers[0]!), "kept")
            process.kill(pidIn(folder), "SIGKILL")
            return brokers
          })
        )
        const { brokers, how } = yield* start({ folder })
        assert.include(yield* topics(brokers[0]!), "kept")
        assert.deepEqual([first.brokers, second], [brokers, brokers])
        assert.strictEqual(how, "jars")
      }),
    180_000
  )

  it.live("says in one line that a folder cannot be written", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(start({ folder: "/proc/oncegate", ways: ["jars"] })))
      assert.match(
        error.message,
        /^no Kafka broker could be started: the data folder \/proc\/oncegate cannot be written .*$/
      )
    })
  )

  it.live("says what is missing and what would help when there is no way to run one", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const path = process.env.PATH
      const { JAVA_HOME: home } = process.env
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.env.PATH = "/nowhere"
          delete process.env.JAVA_HOME
        }),
        () =>
          Effect.sync(() => {
            process.env.PATH = path
            if (home !== undefined) process.env.JAVA_HOME = home
          })
      )
      const error = yield* Effect.flip(start({ folder }))
      assert.deepEqual(error.reasons, ["no Docker daemon answers", "Java 17 or later is not installed"])
      assert.include(error.message, "KAFKA_BROKERS")
    })
  )
})
