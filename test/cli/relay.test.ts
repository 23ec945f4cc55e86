import { randomUUID } from "node:crypto"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { vi } from "vitest"
import { database } from "../../src/cli/Service.ts"
import { Database } from "../../src/infra/postgres/Database.ts"
import * as RelayReports from "../../src/infra/postgres/RelayReports.ts"
import { writeBulk } from "../infra/kafka/LogWriter.ts"
import { facts } from "../infra/kafka/RelayFixture.ts"
import { openWorld, type World } from "../infra/kafka/RelayWorld.ts"
import { publish } from "../infra/rebase/RebaseWorld.ts"
import { runCommand } from "./runCommand.ts"

describe("oncegate relay", () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld()
    await writeBulk(world.sql, 5, "A")
    await Effect.runPromise(publish(world))
  })
  afterAll(() => world.close())
  afterEach(() => vi.unstubAllEnvs())

  const run = (...args: ReadonlyArray<string>) => {
    vi.stubEnv("DATABASE_URL", world.url)
    vi.stubEnv("KAFKA_BROKERS", world.brokers.join(","))
    vi.stubEnv("KAFKA_TOPIC_PREFIX", world.prefix)
    return runCommand("relay", ...args)
  }

  it.live("status: both sides, the backlog, and what an alarm wants from a person", () =>
    Effect.gen(function* () {
      const well = yield* run("status")
      assert.strictEqual(well.exitCode, 0, well.error)
      assert.match(well.out, /^relay +absent$/m)
      assert.match(well.out, /^postgres +batch (\d+) \((.+)\)\n[\s\S]*^kafka +batch \1 \(\2\)$/m)
      assert.match(well.out, /^verdict +the two agree$/m)
      assert.match(well.out, /^backlog +nothing waits$/m)
      assert.include(well.out, "to do: start a relay")

      yield* Effect.promise(() => writeBulk(world.sql, 2, "B"))
      const report = { code: null, explanation: null, records: 10, rate: 2.5 }
      yield* Effect.gen(function* () {
        const { claims } = yield* Database
        const standby = randomUUID()
        yield* RelayReports.write(claims, { ...report, instance: standby, state: "active" })
        yield* RelayReports.write(claims, { ...report, instance: standby, state: "standby", rate: 0 })
        yield* RelayReports.write(claims, {
          ...report,
          instance: randomUUID(),
          state: "stopped",
          code: "relay_stopped",
          explanation: "Kafka refuses publish: MESSAGE_TOO_LARGE"
        })
      }).pipe(Effect.provide(database({ databaseUrl: Redacted.make(world.url) })))
      const { out } = yield* run("status")
      assert.match(out, /^relay +stopped, 1 stands by$/m)
      assert.match(out, /^backlog +4 rows, the oldest for \d+s$/m)
      assert.match(out, /^rate +2\.5 records\/s$/m)
      assert.include(out, "relay_stopped: Kafka refuses publish: MESSAGE_TOO_LARGE")
      assert.include(out, "to do: Kafka says no to the relay")

      // Whoever asks is told the same.
      const gate = yield* runCommand("status")
      assert.include(gate.out, "relay: stopped; 4 rows of the log are not in Kafka yet")
      assert.include(gate.out, "  relay_stopped: Kafka refuses publish: MESSAGE_TOO_LARGE")

      const json = JSON.parse((yield* run("status", "--json")).out)
      assert.deepInclude(json, { active: 0, standby: 1, verdict: { agrees: true } })
      assert.strictEqual(json.kafka.checkpoint.nonce, json.checkpoint.confirmed.nonce)

      vi.stubEnv("KAFKA_BROKERS", "127.0.0.1:1")
      vi.stubEnv("DATABASE_URL", world.url)
      const away = yield* runCommand("relay", "status")
      assert.match(away.out, /^kafka +not reached \(.*ECONNREFUSED\)$/m)
    })
  )

  it.live("status: a relay that was killed is gone since its last word, and forgotten behind others", () =>
    Effect.gen(function* () {
      const report = { code: null, explanation: null, state: "active", records: 10, rate: 2.5 }
      const write = (instance: string) =>
        Effect.flatMap(Database, ({ claims }) => RelayReports.write(claims, { ...report, instance })).pipe(
          Effect.provide(database({ databaseUrl: Redacted.make(world.url) }))
        )
      const age = (seconds: number) =>
        Effect.promise(
          () =>
            world.sql`UPDATE relay_reports SET reported_at = reported_at - ${seconds} * interval '1 second'`
        )
      yield* Effect.promise(() => world.sql`DELETE FROM relay_reports`)
      const killed = randomUUID()
      yield* write(killed)
      assert.match((yield* run("status")).out, /^relay +active$/m)
      yield* age(31)
      const { out } = yield* run("status")
      const [, since] = /^relay +gone since (\S+Z): /m.exec(out) ?? []
      assert.match(out, new RegExp(`^${killed.slice(0, 8)} +gone +${since} `, "m"))
      assert.match(out, /^rate +0\.0 records\/s/m)
      assert.include(out, "to do: start a relay")
      assert.include((yield* runCommand("status")).out, "relay: gone; ")

      const successor = randomUUID()
      yield* write(successor)
      const taken = yield* run("status")
      assert.match(taken.out, /^relay +active$/m)
      assert.include(taken.out, killed.slice(0, 8))
      yield* age(3600)
      yield* write(successor)
      const later = yield* run("status")
      assert.notInclude(later.out, killed.slice(0, 8))
      assert.include(later.out, successor.slice(0, 8))
    })
  )

  it.live("rebase: says what it would do, wants a reason, does it, and says so", () =>
    Effect.gen(function* () {
      assert.include((yield* run("rebase")).out, "nothing to mend")
      yield* Effect.promise(() => world.sql`DELETE FROM relay_checkpoint WHERE batch > 0`)
      assert.include((yield* run("status")).out, "to do: oncegate relay rebase")

      const dry = yield* run("rebase")
      assert.strictEqual(dry.exitCode, 0, dry.error)
      assert.include(dry.out, "Refused, postgres_behind: Kafka is ahead of this database")
      assert.match(dry.out, /^in the topics +5 +5$/m)
      assert.match(dry.out, /^in the log, in no topic +2 +2 /m)
      assert.match(dry.out, /^--from kafka +2 facts, 2 outcomes +0 facts, 0 outcomes +<- chosen$/m)
      assert.include(dry.out, "dry run: nothing was changed")

      assert.include((yield* run("rebase", "--yes")).error, "--reason is required")
      assert.include((yield* run("rebase", "--from", "somewhere")).error, "--from takes")
      const done = yield* run("rebase", "--yes", "--by", "ann", "--reason", "a test", "--json")
      assert.strictEqual(done.exitCode, 0, done.error)
      assert.deepInclude(JSON.parse(done.out), { dry_run: false, startAt: "kafka" })
      assert.include((yield* run("rebase")).out, "nothing to mend")
      assert.strictEqual((yield* Effect.promise(() => facts(world, 7))).length, 7)
    })
  )
})
