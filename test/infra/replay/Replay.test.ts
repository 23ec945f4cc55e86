import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { vi } from "vitest"
import { RecordHeaders } from "../../../src/domain/RecordHeaders.ts"
import { runCommand } from "../../cli/runCommand.ts"
import { ended } from "../../support/ServeProcess.ts"
import { type Consumed, consume } from "../kafka/Consumed.ts"
import { writeBulk } from "../kafka/LogWriter.ts"
import { openWorld, type World, waitFor } from "../kafka/RelayWorld.ts"

const FACTS = 60
const root = fileURLToPath(new URL("../../..", import.meta.url))

describe("oncegate replay", () => {
  let world: World
  let live: ReadonlyArray<Consumed>
  let time: string
  beforeAll(async () => {
    world = await openWorld()
    await writeBulk(world.sql, FACTS / 2, "A")
    const [{ now } = { now: "" }] = await world.sql<
      Array<{ now: string }>
    >`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS now
        FROM pg_sleep(0.01)` // in a millisecond of its own
    time = now
    await world.sql`SELECT pg_sleep(0.01)`
    await writeBulk(world.sql, FACTS / 2, "B")
    const relay = world.startRelay()
    await relay.until(({ backlog, state }) => state === "active" && backlog === 0)
    await relay.stop()
    live = await consume(world.kafka, world.prefix, [world.names.events, world.names.outcomes], FACTS * 2)
  })
  afterAll(() => world.close())
  afterEach(() => vi.unstubAllEnvs())

  const environment = () => ({
    DATABASE_URL: world.url,
    KAFKA_BROKERS: world.brokers.join(","),
    KAFKA_TOPIC_PREFIX: world.prefix
  })
  const run = (...args: ReadonlyArray<string>) => {
    for (const [name, value] of Object.entries(environment())) vi.stubEnv(name, value)
    return runCommand("replay", ...args)
  }
  const topics = (prefix: string) => [`${prefix}billing.events.v1`, `${prefix}billing.webhook-outcomes.v1`]
  /** All that makes a record, but for its place and the mark of its replay. */
  const content = (records: ReadonlyArray<Consumed>) =>
    records
      .map(({ data, headers: { "oncegate-replay": _, ...headers }, key, topic }) =>
        createHash("sha256")
          .update(JSON.stringify([topic.replace(/^.*(?=billing)/, ""), key, headers, data]))
          .digest("hex")
      )
      .sort()

  it.live(
    "kill -9 in the middle, then the same again: every record once, with its own id, marked",
    () =>
      Effect.gen(function* () {
        const prefix = `${world.prefix}killed.`
        const args = ["replay", "--topic-prefix", prefix]
        const runtime = "Deno" in globalThis ? ["run", "-A"] : []
        const child = spawn(
          process.execPath,
          [...runtime, path.join(root, "src", "main.ts"), ...args, "--rate", "40"],
          { cwd: root, env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...environment() } }
        )
        const state = Effect.promise(async () => {
          const admin = world.kafka.admin()
          await admin.connect()
          const [found] = await waitFor(
            "replay",
            () =>
              admin
                .fetchOffsets({
                  groupId: `${prefix}oncegate-replay`,
                  topics: [`${prefix}oncegate.replay.v1`]
                })
                .catch(() => []),
            ([topic]) =>
              topic?.partitions.some(({ metadata }) => /"records":[1-9]/.test(metadata ?? "")) === true,
            60_000 // a process of its own, on a machine under load
          )
          await admin.disconnect()
          return JSON.parse(found!.partitions.find(({ partition }) => partition === 0)!.metadata!)
        })
        const before = yield* state
        child.kill("SIGKILL")
        yield* Effect.promise(() => ended(child))
        assert.isFalse(before.done)

        const { error, exitCode, out } = yield* run("--topic-prefix", prefix, "--json")
        assert.strictEqual(exitCode, 0, error)
        const said = JSON.parse(out)
        assert.deepInclude(said, { outcome: "done", facts: FACTS, outcomes: FACTS, run: before.run })
        assert.isAtLeast(said.before, before.records)
        assert.strictEqual(said.before + said.published, FACTS * 2)

        const records = yield* Effect.promise(() => consume(world.kafka, prefix, topics(prefix), FACTS * 2))
        assert.deepStrictEqual(content(records), content(live))
        // As the contract has it.
        const decode = Schema.decodeUnknownSync(RecordHeaders)
        assert.isTrue(records.every(({ headers }) => decode(headers)["oncegate-replay"] === before.run))

        assert.include((yield* run("--topic-prefix", prefix)).out, "came to its end before")
        assert.deepInclude(JSON.parse((yield* run("--topic-prefix", prefix, "--again", "--json")).out), {
          outcome: "done",
          before: 0,
          published: FACTS * 2
        })
      }),
    120_000
  )

  it.live("takes a range by positions, by times and by endpoint", () =>
    Effect.gen(function* () {
      const counted = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { facts, outcome, outcomes } = JSON.parse(
          (yield* run("--topic-prefix", "p.", "--dry-run", "--json", ...args)).out
        )
        return [outcome, facts, outcomes]
      })
      assert.deepStrictEqual(yield* counted("--from", time), ["dry_run", FACTS / 2, FACTS / 2])
      assert.deepStrictEqual(yield* counted("--to", time, "--endpoint", "paypal"), [
        "dry_run",
        FACTS / 2,
        FACTS / 2
      ])
      const [, some, others] = yield* counted("--from", "1", "--to", "10")
      assert.strictEqual(some + others, 10)
      assert.deepStrictEqual(yield* counted("--endpoint", "toss"), ["dry_run", 0, 0])
      assert.include((yield* run("--topic-prefix", "p.", "--endpoint", "nobody")).error, "no endpoint")
      assert.include((yield* run("--topic-prefix", "p.", "--from", "yesterday")).error, "--from takes")
    })
  )

  it.live("never goes to a relay's topics unless told so", () =>
    Effect.gen(function* () {
      const { error, exitCode } = yield* run("--topic-prefix", world.prefix)
      assert.strictEqual(exitCode, 1)
      assert.include(error, "--to-live-topics")
      // Another relay's, on the same cluster.
      const other = yield* Effect.acquireRelease(
        Effect.promise(() => openWorld()),
        (found) => Effect.promise(() => found.close())
      )
      const relay = other.startRelay()
      yield* Effect.promise(() => relay.until(({ state }) => state === "active"))
      assert.include((yield* run("--topic-prefix", other.prefix)).error, "--to-live-topics")
      const told = yield* run("--topic-prefix", world.prefix, "--to-live-topics", "--to", "2", "--json")
      assert.deepInclude(JSON.parse(told.out), { outcome: "done", published: 2 })
    }).pipe(Effect.scoped)
  )
})
