import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import type postgres from "postgres"
import { database } from "../../../src/cli/Service.ts"
import { type RetentionOptions, round } from "../../../src/domain/Retention.ts"
import * as PostgresRetention from "../../../src/infra/postgres/PostgresRetention.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { claimed, delivery, fact, openStore, proving } from "../../support/Store.ts"
import { auditOf, playEverything, tamper } from "../audit/AuditWorld.ts"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const defaults: RetentionOptions = {
  payloadRetentionMs: 72 * HOUR,
  keyRetentionMs: 400 * DAY,
  everyMs: HOUR,
  pauseMs: 0
}

/** A round of one instance. */
const tend = (url: string, options: Partial<RetentionOptions> = {}) =>
  round({ ...defaults, ...options }).pipe(
    Effect.provide(PostgresRetention.layer.pipe(Layer.provide(database({ databaseUrl: Redacted.make(url) }))))
  )

/** Everything happened so long ago. */
const age = (sql: postgres.Sql, days: number, where = "true") =>
  Effect.gen(function* () {
    const back = `- interval '${days} days'`
    yield* tamper(
      sql,
      `UPDATE webhook_dedup_events SET first_seen_at = first_seen_at ${back}, changed_at = changed_at ${back},
              last_seen_at = last_seen_at ${back} WHERE ${where}`
    )
    yield* tamper(sql, `UPDATE webhook_event_log SET at = at ${back} WHERE ${where}`)
    yield* tamper(sql, `UPDATE webhook_payloads SET created_at = created_at ${back} WHERE ${where}`)
    if (where === "true") {
      yield* tamper(sql, `UPDATE webhook_transmissions SET seen_at = seen_at ${back}`)
      yield* tamper(sql, `UPDATE billing_effects SET recorded_at = recorded_at ${back}`)
    }
  })

const count = (sql: postgres.Sql, from: string) =>
  Effect.promise(async () => {
    const [row] = await sql.unsafe<Array<{ count: number }>>(`SELECT count(*)::int AS count FROM ${from}`)
    return row!.count
  })
const bodies = (sql: postgres.Sql) =>
  Effect.promise(async () => {
    const rows = await sql<Array<{ dedup_key: string }>>`SELECT dedup_key FROM webhook_payloads ORDER BY 1`
    return rows.map(({ dedup_key }) => dedup_key.replace(/^ev_./, "").replace(/~.*/, "~"))
  })

/** The relay published all that is there now. */
const published = (sql: postgres.Sql) =>
  Effect.promise(
    () => sql`INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id, confirmed_at)
              SELECT 1, gen_random_uuid(), s, s, -1, 'c', now() FROM (SELECT pg_current_snapshot()::text AS s) s`
  )

const OPEN = ["_done~", "_clash", "_failed", "_open", "_parked", "_released", "_signed", "raw_b"]

describe("retention", () => {
  it.live(
    "bodies go 72 hours after done, those without a fact after 30 days, those of open events never",
    () =>
      Effect.gen(function* () {
        const { sql, url } = yield* migratedSchema
        yield* playEverything(url, "b")
        assert.deepInclude(yield* tend(url), { bodies: 0 })
        yield* age(sql, 4)
        assert.deepInclude(yield* tend(url), { bodies: 4, keys: 0 })
        assert.sameMembers([...(yield* bodies(sql))], [...OPEN, "_factless"])
        assert.deepStrictEqual((yield* auditOf(url)).named, [])
        yield* age(sql, 40)
        assert.deepInclude(yield* tend(url), { bodies: 1, keys: 0 })
        assert.sameMembers([...(yield* bodies(sql))], OPEN)
        assert.deepStrictEqual((yield* auditOf(url)).named, [])
        assert.deepInclude(yield* tend(url), { bodies: 0 })
      }).pipe(Effect.scoped)
  )

  it.live(
    "a key that was purged and is claimed anew keeps its body, whatever the log says of the old one",
    () =>
      Effect.gen(function* () {
        const { sql, url } = yield* migratedSchema
        const store = yield* openStore(url)
        yield* store.complete(yield* claimed(store, delivery("ev_anew")), proving(fact("anew:1")))
        yield* age(sql, 500)
        assert.deepInclude(yield* tend(url, { payloadRetentionMs: 1_000 * DAY }), { bodies: 0, keys: 1 })
        yield* claimed(store, delivery("ev_anew", "another body"))
        assert.deepInclude(yield* tend(url), { bodies: 0, keys: 0 })
        assert.strictEqual(yield* count(sql, "webhook_payloads WHERE dedup_key = 'ev_anew'"), 1)
      }).pipe(Effect.scoped)
  )

  it.live("a body that should still be there is missed by the audit, whatever retention has taken", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* playEverything(url, "m")
      yield* age(sql, 4)
      yield* tend(url)
      yield* tamper(sql, "DELETE FROM webhook_payloads WHERE dedup_key IN ('ev_m_factless', 'ev_m_parked')")
      assert.sameMembers(
        [...(yield* auditOf(url)).named],
        ["paypal ev_m_factless body_missing", "paypal ev_m_parked body_missing"]
      )
    }).pipe(Effect.scoped)
  )

  it.live(
    "what no provider confirmed in 30 days is dismissed, with an event that says so; the parked stays",
    () =>
      Effect.gen(function* () {
        const { sql, url } = yield* migratedSchema
        const store = yield* openStore(url)
        for (const [key, code] of [
          ["ev_forged", "unconfirmed"],
          ["ev_down", "provider_unavailable"]
        ] as const)
          yield* store.fail(yield* claimed(store, delivery(key)), { kind: "world", code, delayMs: 60_000 })
        yield* store.fail(yield* claimed(store, delivery("ev_parked")), {
          kind: "permanent",
          code: "uninterpretable",
          delayMs: 0
        })
        yield* age(sql, 29)
        assert.strictEqual((yield* tend(url)).unconfirmed, 0)
        yield* age(sql, 2)
        assert.strictEqual((yield* tend(url)).unconfirmed, 1)
        const rows = yield* Effect.promise(
          () => sql<Array<{ name: string }>>`
          SELECT dedup_key || ' ' || status || ' ' || error_code AS name FROM webhook_dedup_events ORDER BY dedup_key`
        )
        assert.deepStrictEqual(
          rows.map(({ name }) => name),
          [
            "ev_down failed provider_unavailable",
            "ev_forged done dismissed",
            "ev_parked failed uninterpretable"
          ]
        )
        const [event] = yield* Effect.promise(
          () =>
            sql`SELECT data->>'by' AS by, data->>'reason' AS reason FROM webhook_event_log WHERE type = 'Dismissed'`
        )
        assert.deepStrictEqual({ ...event }, { by: "retention", reason: "never confirmed by the provider" })
        assert.deepStrictEqual((yield* auditOf(url)).named, [])
      }).pipe(Effect.scoped)
  )

  it.live("keys and transmissions go after 400 days; open events and effects stay", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* playEverything(url, "k")
      yield* age(sql, 399)
      assert.deepInclude(yield* tend(url), { keys: 0, transmissions: 0 })
      yield* age(sql, 2)
      assert.deepInclude(yield* tend(url), { keys: 5, transmissions: 1, partitions: 0 })
      assert.strictEqual(yield* count(sql, "webhook_dedup_events WHERE status = 'done'"), 0)
      assert.strictEqual(yield* count(sql, "webhook_dedup_events"), 8)
      assert.strictEqual(yield* count(sql, "billing_effects"), 3)
      const { named, summary } = yield* auditOf(url, { rebuild: true })
      assert.deepStrictEqual(named, [])
      assert.deepInclude(summary.events, { purged: 5, compared: 8 })
    }).pipe(Effect.scoped)
  )

  it.live("a done event of the earlier gate goes too, long after it was adopted", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* Effect.promise(
        () =>
          sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status) VALUES ('paypal', 'ev_old', 'done')`
      )
      yield* age(sql, 401)
      assert.deepInclude(yield* tend(url), { keys: 1 })
    }).pipe(Effect.scoped)
  )

  it.live(
    "a key seen again after its purge is claimed anew, and its effects keep it from booking twice",
    () =>
      Effect.gen(function* () {
        const { sql, url } = yield* migratedSchema
        const store = yield* openStore(url)
        const request = delivery("ev_again", "body", { transmission: "t_again" })
        yield* store.complete(yield* claimed(store, request), proving(fact("capture:again:completed")))
        yield* age(sql, 401)
        // Its body was kept longer than its key: it goes along, or the next claim could not put its own there.
        assert.deepInclude(yield* tend(url, { payloadRetentionMs: 9_999 * DAY }), { bodies: 0, keys: 1 })
        assert.strictEqual(yield* count(sql, "webhook_payloads"), 0)
        const second = yield* claimed(store, request)
        assert.strictEqual(second.fence, 1)
        yield* store.complete(second, proving(fact("capture:again:completed")))
        const types = yield* Effect.promise(
          () => sql<Array<{ type: string }>>`SELECT type FROM webhook_event_log ORDER BY position`
        )
        assert.deepStrictEqual(
          types.map(({ type }) => type),
          ["Claimed", "BillingEventRecorded", "Completed", "Claimed", "EffectAlreadyRecorded", "Completed"]
        )
        assert.strictEqual(yield* count(sql, "billing_effects"), 1)
        assert.deepStrictEqual((yield* auditOf(url, { rebuild: true })).named, [])
      }).pipe(Effect.scoped)
  )

  it.live("the control: a key that begins anew without a purge is a difference", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const store = yield* openStore(url)
      yield* store.complete(yield* claimed(store, delivery("ev_lost")), proving())
      yield* tamper(sql, "DELETE FROM webhook_payloads")
      yield* tamper(sql, "DELETE FROM webhook_dedup_events")
      assert.deepStrictEqual((yield* auditOf(url)).named, ["paypal ev_lost row_missing"])
      yield* claimed(store, delivery("ev_lost"))
      assert.deepStrictEqual((yield* auditOf(url)).named, ["paypal ev_lost version_gap"])
    }).pipe(Effect.scoped)
  )

  describe("partitions of the log", () => {
    /** A first partition of a hundred positions that is full, with all that happened in it long ago. */
    const agedWorld = Effect.fnUntraced(function* (
      keep: "open" | "done",
      /** Runs when the first partition is full, before the next one is begun. */
      between: (sql: postgres.Sql) => Promise<void> = async () => {}
    ) {
      const world = yield* migratedSchema
      const { sql, url } = world
      yield* Effect.promise(() =>
        sql.unsafe(
          `DROP TABLE webhook_event_log_0, webhook_event_log_4000000, webhook_event_log_8000000;
           SELECT webhook_event_log_extend(100)`
        )
      )
      const store = yield* openStore(url)
      if (keep === "open") yield* claimed(store, delivery("ev_p_open"))
      for (let index = 0; index < 50; index += 1) {
        if (index === 33) yield* Effect.promise(() => between(sql))
        yield* store.complete(
          yield* claimed(store, delivery(`ev_p_${index}`)),
          proving(fact(`capture:p_${index}:completed`))
        )
      }
      yield* age(sql, 500)
      return { ...world, store }
    })
    const partitions = (sql: postgres.Sql) =>
      Effect.promise(async () => {
        const rows = await sql<Array<{ name: string }>>`
          SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'webhook_event_log'::regclass ORDER BY 1`
        return rows.map(({ name }) => name.replace("webhook_event_log_", ""))
      })

    /** Transactions of other tests may be as old as the partition: once they have ended, it goes. */
    const dropsOne = (url: string) =>
      Effect.repeat(tend(url), {
        until: ({ partitions }) => partitions === 1,
        schedule: Schedule.spaced(50).pipe(Schedule.upTo({ duration: 20_000 }))
      }).pipe(Effect.flatMap(({ partitions }) => Effect.sync(() => assert.strictEqual(partitions, 1))))

    it.live("are dropped when old, published and without open streams; the audit knows the horizon", () =>
      Effect.gen(function* () {
        const { sql, store, url } = yield* agedWorld("done")
        assert.deepInclude(yield* tend(url), { keys: 50, partitions: 0 }) // nothing was published yet
        yield* published(sql)
        yield* store.complete(
          yield* claimed(store, delivery("ev_young")),
          proving(fact("capture:young:completed"))
        )
        yield* dropsOne(url)
        assert.notInclude(yield* partitions(sql), "0")
        assert.include(yield* partitions(sql), "100") // it holds what is young
        const { named, summary } = yield* auditOf(url, { rebuild: true })
        assert.deepStrictEqual(named, [])
        assert.isAbove(summary.events.purged, 0)
        // Of all the effects only those within the log's horizon can be proven; the control: one of them is lost.
        yield* tamper(sql, "DELETE FROM billing_effects WHERE effect_key = 'capture:young:completed'")
        assert.deepStrictEqual((yield* auditOf(url)).named, [
          "paypal ev_young effect_missing paypal/capture:young:completed"
        ])
      }).pipe(Effect.scoped)
    )

    it.live("stay while a stream in them is open", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* agedWorld("open")
        yield* published(sql)
        assert.deepInclude(yield* tend(url), { partitions: 0 })
        assert.include(yield* partitions(sql), "0")
      }).pipe(Effect.scoped)
    )

    it.live("stay while a transaction runs that may have written to them", () =>
      Effect.gen(function* () {
        let end = () => {}
        const { sql, url } = yield* agedWorld("done", async (client) => {
          const running = Promise.withResolvers<void>()
          const ended = Promise.withResolvers<void>()
          void client.begin(async (writer) => {
            await writer`SELECT pg_current_xact_id()`
            running.resolve()
            await ended.promise
          })
          end = ended.resolve
          await running.promise
        })
        yield* published(sql)
        assert.deepInclude(yield* tend(url), { partitions: 0 })
        end()
        yield* dropsOne(url)
      }).pipe(Effect.scoped)
    )

    it.live("stay while they are young", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* agedWorld("done")
        yield* published(sql)
        assert.deepInclude(yield* tend(url, { keyRetentionMs: 600 * DAY }), { partitions: 0, keys: 0 })
      }).pipe(Effect.scoped)
    )

    it.live("a row whose beginnings were dropped is beyond the horizon, its end still compared", () =>
      Effect.gen(function* () {
        const { sql, store, url } = yield* agedWorld("open")
        // done only now: its row stays, its claim goes with the partition
        yield* tamper(
          sql,
          "UPDATE webhook_dedup_events SET lease_until = now() + interval '1 h' WHERE dedup_key = 'ev_p_open'"
        )
        yield* store.complete(
          {
            ...(yield* claimed(store, delivery("ev_any"))),
            dedupKey: delivery("ev_p_open").identity.dedupKey
          },
          proving()
        )
        yield* published(sql)
        yield* dropsOne(url)
        const { named, summary } = yield* auditOf(url, { rebuild: true })
        assert.deepStrictEqual(named, [])
        assert.strictEqual(summary.events.beyond_horizon, 1)
        yield* tamper(sql, "UPDATE webhook_dedup_events SET fence = 3 WHERE dedup_key = 'ev_p_open'")
        assert.deepStrictEqual((yield* auditOf(url)).named, ["paypal ev_p_open row_differs fence"])
      }).pipe(Effect.scoped)
    )
  })

  it.live("four instances at once take each thing once and stand in nobody's way", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const store = yield* openStore(url)
      yield* Effect.forEach(
        Array.from({ length: 1_500 }, (_, index) => index),
        (index) =>
          Effect.flatMap(claimed(store, delivery(`ev_old_${index}`)), (claim) =>
            store.complete(claim, proving())
          ),
        { concurrency: "unbounded", discard: true }
      )
      yield* age(sql, 450)
      const [rounds] = yield* Effect.all(
        [
          Effect.forEach([1, 2, 3, 4], () => tend(url), { concurrency: "unbounded" }),
          Effect.forEach([1, 2, 3], (index) => playEverything(url, `r${index}`), { concurrency: 3 })
        ],
        { concurrency: "unbounded" }
      )
      const total = rounds.reduce((sum, { keys }) => sum + keys, 0) + (yield* tend(url)).keys
      assert.strictEqual(total, 1_500)
      assert.deepStrictEqual((yield* auditOf(url)).named, [])
    }).pipe(Effect.scoped)
  )
})
