import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Database from "../../../src/infra/postgres/Database.ts"
import { postgresService } from "../../support/Services.ts"

const TEXTS = ['a"b', "c\\d", "{x,y}", "", "NULL", null, " e\n'", "한글", '\\"']
const UUID = "6ba7b811-9dad-11d1-80b4-00c04fd430c8"

/** A pool of one connection each. */
const oneEach = Effect.flatMap(Effect.promise(postgresService), ({ url }) =>
  Database.make({
    url: Redacted.make(url),
    claimConnections: 1,
    completionConnections: 1,
    statementTimeoutMs: 5_000
  })
)

it.live(
  "the first statement of a fresh pool sends its arrays right, whatever stands in them",
  () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.promise(postgresService)
      // Long enough that the driver sends it at once, while it still waits for the server's array types.
      const text = `SELECT a, b, c, d, '${"x".repeat(1_500)}' AS long
                      FROM unnest($1::text[], $2::int[], $3::bigint[], $4::uuid[]) AS v(a, b, c, d)`
      const once = Effect.scoped(
        Effect.gen(function* () {
          const { claims } = yield* Database.make({
            url: Redacted.make(url),
            claimConnections: 4,
            completionConnections: 1,
            statementTimeoutMs: 5_000
          })
          const rows = yield* claims.query<{ a: string | null; b: number; c: string; d: string }>(
            "arrays",
            text,
            [TEXTS, [-2], ["9007199254740993"], [UUID]]
          )
          assert.deepStrictEqual(
            rows.map(({ a }) => a),
            TEXTS
          )
          assert.deepInclude(rows[0], { b: -2, c: "9007199254740993", d: UUID })
        })
      )
      yield* Effect.repeat(once, { times: 100 })
    }),
  60_000
)

it.live("a statement of the pools is planned once for its session, whatever its parameters are", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* oneEach
      for (const { query } of [database.claims, database.completions]) {
        for (const size of [1, 100, 1, 1, 1, 1, 1, 1])
          yield* query("sum", "SELECT sum(n) FROM unnest($1::int[]) AS n WHERE n > $2::int", [
            Array.from({ length: size }, (_, n) => n),
            size
          ])
        const plans = yield* query<{ own: string; general: string }>(
          "plans",
          `SELECT custom_plans::text AS own, generic_plans::text AS general FROM pg_prepared_statements
            WHERE statement LIKE 'SELECT sum%'`
        )
        assert.deepStrictEqual(plans, [{ own: "0", general: "8" }])
      }
    })
  )
)

it.live("every session waits for its commits to be on disk, whatever the server's own setting is", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* oneEach
      for (const { query } of [database.claims, database.completions, yield* database.session("test")]) {
        const [row] = yield* query<{ setting: string; source: string }>(
          "synchronous_commit",
          "SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'"
        )
        assert.deepStrictEqual(row, { setting: "on", source: "client" })
      }
    })
  )
)

it.live(
  "every session has limits on the server's side: for a statement, a lock, and a transaction left open",
  () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { claims, completions, session } = yield* oneEach
        for (const { query } of [claims, completions, yield* session("test")]) {
          const rows = yield* query<{ name: string; setting: string }>(
            "limits",
            `SELECT name, setting FROM pg_settings WHERE name IN
             ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') ORDER BY name`
          )
          assert.deepStrictEqual(
            rows.map(({ name, setting }) => `${name} ${setting}`),
            ["idle_in_transaction_session_timeout 2000", "lock_timeout 2000", "statement_timeout 5000"]
          )
        }
      })
    )
)

it.live("a server that takes no writes keeps no connection: the next one may lead to the primary", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const given = new URL((yield* Effect.promise(postgresService)).url)
      given.searchParams.set("default_transaction_read_only", "on")
      const { claims } = yield* Database.make({
        url: Redacted.make(given.href),
        claimConnections: 1,
        completionConnections: 1,
        statementTimeoutMs: 5_000
      })
      const backend = Effect.map(
        claims.query<{ pid: number }>("backend", "SELECT pg_backend_pid() AS pid"),
        ([row]) => row?.pid
      )
      const first = yield* backend
      assert.strictEqual(yield* backend, first)
      const refused = yield* Effect.flip(claims.query("write", "CREATE TABLE never ()"))
      assert.strictEqual(refused.code, "25006")
      assert.notStrictEqual(yield* backend, first)
    })
  )
)
