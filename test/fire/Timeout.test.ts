import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { writeBulk } from "../infra/kafka/LogWriter.ts"
import { isCaughtUp } from "../infra/kafka/RelayFixture.ts"
import { openWorld, waitFor } from "../infra/kafka/RelayWorld.ts"
import * as KafkaNodes from "../support/KafkaNodes.ts"
import { countOf, exactly } from "./Topic.ts"

const SCRIPT = fileURLToPath(new URL("relay-process.ts", import.meta.url))
/** A transaction is given 20 s; the rest is for a machine under load. */
const PATIENCE_MS = 90_000

const startRelay = (env: Readonly<Record<string, string>>) => {
  const args = "Deno" in globalThis ? ["run", "-A", SCRIPT] : [SCRIPT]
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env }
  })
  const troubles: Array<string> = []
  createInterface({ input: child.stdout }).on(
    "line",
    (line) => line.includes("RELAY_TROUBLE") && troubles.push(line)
  )
  const ended = new Promise((resolve) => child.once("exit", resolve))
  return {
    troubles,
    isStopped: () => /^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8")),
    // Not `child.kill`: on Deno its first call closes the pipes, whatever the signal, and a second one does nothing.
    goOn: () => process.kill(child.pid!, "SIGCONT"),
    kill: async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, "SIGKILL")
      await ended
    }
  }
}

const timeOut = (at: "relay.sent" | "relay.offsets", loseLock: boolean) =>
  Effect.gen(function* () {
    const folder = yield* dataFolder
    const { brokers, nodes } = yield* KafkaNodes.start({
      folder,
      settings: () => ({ "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000 })
    })
    yield* Effect.promise(async () => {
      const world = await openWorld({ brokers })
      const when = path.join(folder, "stop-now")
      const relay = startRelay({
        DATABASE_URL: world.url,
        KAFKA_BROKERS: brokers.join(),
        KAFKA_TOPIC_PREFIX: world.prefix,
        STOP_AT: at,
        STOP_WHEN: when
      })
      const confirmed = () =>
        world.sql`SELECT 1 FROM relay_checkpoint WHERE batch > 0 AND confirmed_at IS NOT NULL`
      const open = () => world.sql`SELECT 1 FROM relay_checkpoint WHERE confirmed_at IS NULL`
      try {
        await writeBulk(world.sql, 20, "A")
        await waitFor("published", confirmed, (rows) => rows.length > 0, PATIENCE_MS)
        writeFileSync(when, "")
        await writeBulk(world.sql, 20, "B")
        await waitFor("stopped in its transaction", relay.isStopped, (stopped) => stopped, PATIENCE_MS)
        await waitFor(
          "aborted by the coordinator",
          () => nodes[0]!.log(),
          (log) => /Completed rollback of ongoing transaction/.test(log),
          PATIENCE_MS
        )
        if (loseLock) {
          await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE application_name = 'oncegate relay' AND pid <> pg_backend_pid()
                             AND datname = current_database()
                             AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
                               AND (classid::bigint << 32 | objid::bigint) = hashtextextended(current_schema() || '/' || ${world.names.transactionalId}, 0))`
          // Published by another one before the first one wakes up.
          await world.startRelay().until(isCaughtUp(40), PATIENCE_MS)
        }
        await writeBulk(world.sql, 20, "C")
        relay.goOn()
        await waitFor(
          "the trouble seen",
          () => relay.troubles.length,
          (count) => count > 0
        )
        await waitFor(
          "all of it",
          () => countOf(world, 60),
          ({ events, outcomes }) => events.distinct >= 60 && outcomes.distinct >= 60,
          PATIENCE_MS
        )
        await waitFor("nothing open", open, (rows) => rows.length === 0)
        expect(await countOf(world, 60)).toEqual(exactly(60))
      } finally {
        await relay.kill()
        await world.close()
      }
    })
  }).pipe(Effect.scoped)

describe.skipIf(process.env.ONCEGATE_FIRE !== "all")(
  "a relay that sleeps in its transaction until the coordinator has aborted it",
  () => {
    it.live(
      "wakes up between records and offset: publishes them again, once",
      () => timeOut("relay.sent", false),
      400_000
    )
    it.live(
      "wakes up before its commit, replaced by another: neither doubles",
      () => timeOut("relay.offsets", true),
      400_000
    )
  }
)
