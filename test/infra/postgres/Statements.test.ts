import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { DedupKey } from "../../../src/domain/DedupKey.ts"
import { take } from "../../../src/infra/postgres/takeStatement.ts"
import { migratedSchema, until } from "../../support/Gate.ts"
import { claimed, delivery, fact, openStore, proving } from "../../support/Store.ts"

it("AC2: the claim is INSERT .. ON CONFLICT DO NOTHING RETURNING, and looks at no event before it", () => {
  const text = readFileSync(new URL("../../../src/infra/postgres/claimStatement.ts", import.meta.url), "utf8")
  const statement = /const CLAIM = `([^`]+)`/.exec(text)![1]!.replace(/\s+/g, " ")
  const insert = statement.indexOf("INSERT INTO webhook_dedup_events")
  assert.match(statement.slice(insert), /ON CONFLICT \(provider, dedup_key\) DO NOTHING RETURNING id/)
  assert.notInclude(statement.slice(0, insert), "webhook_dedup_events")
})

it.live("defect 11: a duplicate moves last_seen_at, at most once a minute", () =>
  Effect.gen(function* () {
    const { sql, url } = yield* migratedSchema
    const store = yield* openStore(url)
    yield* store.complete(yield* claimed(store, delivery("ev_seen")), proving())
    const seen = () =>
      Effect.map(
        Effect.promise(
          () => sql<Array<{ ago: number }>>`
            SELECT extract(epoch FROM now() - last_seen_at)::float8 AS ago FROM webhook_dedup_events WHERE dedup_key = 'ev_seen'`
        ),
        ([row]) => row!.ago
      )
    yield* Effect.promise(() =>
      sql.begin(async (transaction) => {
        await transaction`ALTER TABLE webhook_dedup_events DISABLE TRIGGER USER`
        await transaction`UPDATE webhook_dedup_events SET last_seen_at = now() - interval '1 hour'`
        await transaction`ALTER TABLE webhook_dedup_events ENABLE TRIGGER USER`
      })
    )
    yield* store.claim(delivery("ev_seen"))
    const first = yield* seen()
    assert.isBelow(first, 60)
    yield* store.claim(delivery("ev_seen"))
    assert.isAtLeast(yield* seen(), first)
  }).pipe(Effect.scoped)
)

it.live("defect 16: no part of a body stands in any table in clear", () =>
  Effect.gen(function* () {
    const { sql, url } = yield* migratedSchema
    const store = yield* openStore(url)
    const body = JSON.stringify({
      payer: { name: "SENTINEL_4111111111111111", email: "someone@example.test" }
    })
    yield* store.complete(
      yield* claimed(store, delivery("ev_private", body)),
      proving(fact("capture:private:completed"))
    )
    const tables = yield* Effect.promise(
      () =>
        sql<
          Array<{ name: string }>
        >`SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()`
    )
    for (const { name } of tables) {
      const [found] = yield* Effect.promise(() =>
        sql.unsafe<Array<{ rows: string }>>(
          `SELECT coalesce(string_agg(t::text, ''), '') AS rows FROM ${name} t`
        )
      )
      for (const clear of ["SENTINEL", "4111", "someone@", Buffer.from("SENTINEL").toString("hex")])
        assert.notInclude(found!.rows, clear, name)
    }
  }).pipe(Effect.scoped)
)

interface Plan {
  readonly "Relation Name"?: string
  readonly Alias?: string
  readonly "Actual Rows": number
  readonly "Actual Loops": number
  readonly "Rows Removed by Filter"?: number
  readonly Plans?: ReadonlyArray<Plan>
}
/** Rows of events that a plan looked at. */
const looked = (plan: Plan): number =>
  (plan["Relation Name"] === "webhook_dedup_events"
    ? (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0)) * plan["Actual Loops"]
    : 0) + (plan.Plans ?? []).reduce((sum, part) => sum + looked(part), 0)

it.live("a look into a lane reads what it takes, however many events wait in the others", () =>
  Effect.gen(function* () {
    const { sql } = yield* migratedSchema
    yield* Effect.promise(() =>
      sql.begin(async (transaction) => {
        await transaction`
          INSERT INTO webhook_dedup_events (provider, dedup_key, status, error_code, next_attempt_at)
          SELECT 'toss', 'due ' || n, 'failed', 'unconfirmed', now() - n * interval '1 ms' FROM generate_series(1, 10000) n
          UNION ALL
          SELECT 'toss', 'later ' || n, 'failed', code, now() + interval '1 hour'
            FROM generate_series(1, 2000) n, unnest(ARRAY['provider_busy', 'provider_unavailable']) code
           WHERE n % 2 = (code = 'provider_busy')::int
          UNION ALL
          SELECT 'toss', 'parked ' || n, 'failed', 'unexpected', 'infinity' FROM generate_series(1, 2000) n`
      })
    )
    yield* Effect.promise(() => sql`ANALYZE webhook_dedup_events`)
    for (const [lane, takes] of [
      ["rescue", 0],
      ["retry", 0],
      ["busy", 0],
      ["unconfirmed", 16]
    ] as const) {
      const [row] = yield* Effect.promise(() =>
        sql.unsafe<Array<{ "QUERY PLAN": ReadonlyArray<{ Plan: Plan }> }>>(
          `EXPLAIN (ANALYZE, FORMAT JSON) ${take(lane)}`,
          ["toss", 16, 30_000, 3]
        )
      )
      // picked, and changed
      assert.isAtMost(looked(row!["QUERY PLAN"][0]!.Plan), 4 * takes, lane)
    }
  }).pipe(Effect.scoped)
)

it.live(
  "no statement scans a whole table, though it was planned while the table was young",
  () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      /** Claims `ids`, completes them, and meets them again, on one connection each: its plans are kept after five. */
      const work = (ids: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const store = yield* openStore(url, { connections: 1 })
          for (const id of ids) {
            const request = delivery(`ev_${id}`, id, { transmission: id })
            const interpretation = proving(fact(`capture:${id}:completed`))
            const identity = { ...request.identity, dedupKey: DedupKey.make(`ev_proven_${id}`) }
            yield* store.claim({ ...request, identity: { ...identity, proven: interpretation } })
            const claim = yield* claimed(store, delivery(`ev_${id}`, id))
            yield* store.renew(claim)
            yield* store.complete(claim, proving(fact(`refund:${id}`)))
            yield* store.claim(delivery(`ev_${id}`, id))
          }
        }).pipe(Effect.scoped)
      const count = () => sql<Array<{ name: string; scans: number; inserted: number; updated: number }>>`
        SELECT relname AS name, seq_scan::int AS scans, n_tup_ins::int AS inserted, n_tup_upd::int AS updated
          FROM pg_stat_user_tables WHERE schemaname = current_schema()
           AND relname IN ('webhook_dedup_events', 'webhook_transmissions', 'webhook_payloads', 'billing_effects')
         ORDER BY relname`
      /** What a session counted is there at its end. */
      const counted = (events: number) =>
        until(async () => {
          const tables = await count()
          const row = tables.find(({ name }) => name === "webhook_dedup_events")!
          return row.inserted >= events && row.updated >= events / 2 && tables
        })
      yield* work(["young"])
      yield* counted(2)
      yield* Effect.promise(() => sql`ANALYZE`)
      const before = yield* counted(2)
      const ids = Array.from({ length: 12 }, (_, n) => `id${n}`)
      yield* work(ids)
      const after = yield* counted(2 * (1 + ids.length))
      assert.deepStrictEqual(
        after.map(({ name, scans }) => [name, scans]),
        before.map(({ name, scans }) => [name, scans])
      )
    }).pipe(Effect.scoped),
  60_000
)
