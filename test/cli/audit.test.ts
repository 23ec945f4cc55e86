import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { playEverything, tamper } from "../infra/audit/AuditWorld.ts"
import { migratedSchema } from "../support/Gate.ts"
import { runCommand as run } from "./runCommand.ts"

describe("oncegate audit", () => {
  afterEach(() => vi.unstubAllEnvs())

  it.live("says what it compared, and exits 0 where everything follows from the log", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      yield* playEverything(url, "cli")
      vi.stubEnv("DATABASE_URL", url)
      vi.stubEnv("KAFKA_BROKERS", "")
      const { exitCode, out } = yield* run("audit", "--rebuild")
      assert.strictEqual(exitCode, 0, out)
      assert.include(out, "13 folded from")
      assert.include(out, "3 facts of the log compared with the booked effects")
      assert.include(out, "not compared: no KAFKA_BROKERS")
      assert.include(out, "13 rows in webhook_dedup_events_rebuilt")
      assert.match(out, /Audit: clean$/)
    }).pipe(Effect.scoped)
  )

  it.live("names each difference by endpoint and key, never a body, and exits 1", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* playEverything(url, "cli")
      yield* tamper(sql, "UPDATE webhook_dedup_events SET fence = 5 WHERE dedup_key = 'ev_cli_done'")
      vi.stubEnv("DATABASE_URL", url)
      const { error, exitCode, out } = yield* run("audit")
      assert.strictEqual(exitCode, 1)
      assert.strictEqual(error, "the audit found 1 differences")
      assert.include(out, "paypal ev_cli_done  row_differs  fence: log 1, found 5")
      const other = yield* run("audit", "--endpoint", "toss")
      assert.strictEqual(other.exitCode, 0)
    }).pipe(Effect.scoped)
  )

  it.live("--json, of the database that `npm start` runs", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* playEverything(url, "cli")
      yield* tamper(sql, "DELETE FROM billing_effects WHERE effect_key = 'capture:cli_done:completed'")
      const folder = mkdtempSync(path.join(tmpdir(), "oncegate-test-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      writeFileSync(
        path.join(folder, "dev.json"),
        JSON.stringify({ ingress: "http://127.0.0.1:1", database_url: url, kafka_brokers: ["127.0.0.1:1"] })
      )
      vi.stubEnv("DATABASE_URL", "")
      vi.stubEnv("KAFKA_BROKERS", undefined)
      const { exitCode, out } = yield* run("audit", "--json", "--data-dir", folder)
      assert.strictEqual(exitCode, 1)
      const said = JSON.parse(out)
      assert.deepInclude(said.records, { reason: "kafka_unreachable" })
      assert.deepStrictEqual(said.byCode, { effect_missing: 1 })
      assert.deepInclude(said.findings[0], { endpoint: "paypal", key: "ev_cli_done", code: "effect_missing" })
    }).pipe(Effect.scoped)
  )

  it.live("says what to do where there is no database, or one without its migrations", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      vi.stubEnv("DATABASE_URL", url)
      yield* Effect.promise(() => sql`DROP TABLE retention_marks`)
      assert.include((yield* run("audit")).error, "oncegate migrate")
      vi.stubEnv("DATABASE_URL", "")
      assert.include((yield* run("audit", "--data-dir", "/nowhere")).error, "set DATABASE_URL")
    }).pipe(Effect.scoped)
  )
})
