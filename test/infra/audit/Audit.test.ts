import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { migratedSchema } from "../../support/Gate.ts"
import { claimed, delivery, openStore } from "../../support/Store.ts"
import { auditOf, playEverything, tamper } from "./AuditWorld.ts"

describe("audit", () => {
  it.live("is clean after duplicates, failures, re-claims, conflicts, forgeries and parked events", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      yield* playEverything(url, "a")
      const { named, summary } = yield* auditOf(url)
      assert.deepStrictEqual(named, [])
      assert.strictEqual(summary.events.compared, 13)
      assert.strictEqual(summary.events.notes_only, 1)
      assert.strictEqual(summary.facts, 3)
    }).pipe(Effect.scoped)
  )

  it.live(
    "rows of the earlier gate and of base-column writers are counted apart, and taken over soundly",
    () =>
      Effect.gen(function* () {
        const { sql, url } = yield* migratedSchema
        const request = delivery("ev_taken_over")
        yield* Effect.promise(
          () => sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status, request_hash)
                  VALUES ('paypal', 'ev_base_open', 'processing', NULL), ('toss', 'ev_base_done', 'done', 'x'),
                         ('paypal', 'ev_taken_over', 'processing', ${request.delivery.hash})`
        )
        const store = yield* openStore(url)
        yield* store.claim(request)
        yield* store.claim(delivery("ev_base_open", "x"))
        const { named, summary } = yield* auditOf(url)
        assert.deepStrictEqual(named, [])
        assert.deepInclude(summary.events, { without_history: 1, compared: 2 })
      }).pipe(Effect.scoped)
  )

  it.live("while traffic runs, what is in flight is no difference", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      const traffic = yield* Effect.forkScoped(
        Effect.forEach(
          Array.from({ length: 12 }, (_, index) => index),
          (index) => playEverything(url, `live${index}`),
          { concurrency: 3 }
        )
      )
      let audits = 0
      const look = Effect.gen(function* () {
        assert.deepStrictEqual((yield* auditOf(url, { rebuild: audits % 2 === 1 })).named, [])
        audits += 1
      })
      yield* Effect.raceFirst(Fiber.join(traffic), Effect.forever(look))
      yield* look
      assert.isAbove(audits, 1)
    }).pipe(Effect.scoped)
  )

  it.live("one endpoint alone can be looked at", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* playEverything(url, "e")
      yield* tamper(sql, "UPDATE webhook_dedup_events SET fence = 9 WHERE dedup_key = 'ev_e_done'")
      assert.deepStrictEqual((yield* auditOf(url, { endpoint: "toss" })).named, [])
      assert.lengthOf((yield* auditOf(url, { endpoint: "paypal" })).named, 1)
    }).pipe(Effect.scoped)
  )

  it.live("--rebuild: the table follows from the log alone, and a row that does not is named", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* playEverything(url, "r")
      const clean = yield* auditOf(url, { rebuild: true })
      assert.deepStrictEqual(clean.named, [])
      assert.strictEqual(clean.summary.rebuilt, 13)
      yield* tamper(
        sql,
        "UPDATE webhook_dedup_events SET next_attempt_at = next_attempt_at + interval '1 s' WHERE dedup_key = 'ev_r_failed'"
      )
      assert.deepStrictEqual((yield* auditOf(url, { rebuild: true })).named, [
        "paypal ev_r_failed rebuilt_differs next_attempt_at"
      ])
    }).pipe(Effect.scoped)
  )

  const log = (key: string, type: string) =>
    `DELETE FROM webhook_event_log WHERE dedup_key = '${key}' AND type = '${type}'`
  const controls: ReadonlyArray<{
    readonly what: string
    readonly statement: string
    readonly named: ReadonlyArray<string>
  }> = [
    {
      what: "a status flipped",
      statement:
        "UPDATE webhook_dedup_events SET status = 'done', next_attempt_at = NULL WHERE dedup_key = 'ev_c_parked'",
      named: ["paypal ev_c_parked row_differs status", "paypal ev_c_parked row_differs parked"]
    },
    {
      what: "a fence off by one",
      statement: "UPDATE webhook_dedup_events SET fence = fence + 1 WHERE dedup_key = 'ev_c_done'",
      named: ["paypal ev_c_done row_differs fence"]
    },
    {
      what: "counts off",
      statement:
        "UPDATE webhook_dedup_events SET attempts = attempts + 1, failures = failures + 1 WHERE dedup_key = 'ev_c_again'",
      named: ["paypal ev_c_again row_differs attempts", "paypal ev_c_again row_differs failures"]
    },
    {
      what: "another error code",
      statement: "UPDATE webhook_dedup_events SET error_code = 'unexpected' WHERE dedup_key = 'ev_c_failed'",
      named: ["paypal ev_c_failed row_differs error_code"]
    },
    {
      what: "parked without an event",
      statement:
        "UPDATE webhook_dedup_events SET next_attempt_at = 'infinity' WHERE dedup_key = 'ev_c_failed'",
      named: ["paypal ev_c_failed row_differs parked"]
    },
    {
      what: "a row lost",
      statement:
        "WITH p AS (DELETE FROM webhook_payloads WHERE dedup_key = 'ev_c_again') DELETE FROM webhook_dedup_events WHERE dedup_key = 'ev_c_again'",
      named: ["paypal ev_c_again row_missing"]
    },
    {
      what: "a log lost as a whole",
      statement: "DELETE FROM webhook_event_log WHERE dedup_key = 'ev_c_failed'",
      named: ["paypal ev_c_failed log_missing"]
    },
    {
      what: "a row of the log lost in the middle",
      statement: log("ev_c_again", "Failed"),
      named: ["paypal ev_c_again version_gap"]
    },
    {
      what: "the first row of a log lost",
      statement: log("ev_c_failed", "Claimed"),
      named: ["paypal ev_c_failed version_gap"]
    },
    {
      what: "the last row of a log lost",
      statement: log("ev_c_factless", "Completed"),
      named: ["paypal ev_c_factless row_differs status", "paypal ev_c_factless row_differs version"]
    },
    {
      what: "a row of the log that cannot be read",
      statement:
        "UPDATE webhook_event_log SET data = data - 'fence' WHERE dedup_key = 'ev_c_open' AND type = 'Claimed'",
      named: ["paypal ev_c_open event_unreadable", "paypal ev_c_open log_missing"]
    },
    {
      what: "a row of a later version",
      statement:
        "UPDATE webhook_event_log SET type_version = 2 WHERE dedup_key = 'ev_c_signed' AND type = 'Claimed'",
      named: ["paypal ev_c_signed event_of_newer_version", "paypal ev_c_signed log_missing"]
    },
    {
      what: "an effect lost",
      statement: "DELETE FROM billing_effects WHERE effect_key = 'capture:c_done:completed'",
      named: ["paypal ev_c_done effect_missing paypal/capture:c_done:completed"]
    },
    {
      what: "an effect too many",
      statement:
        "INSERT INTO billing_effects (provider, effect_key, dedup_key, digest) VALUES ('toss', 'capture:x', 'ev_c_x', 'x')",
      named: ["toss ev_c_x effect_unproven toss/capture:x"]
    },
    {
      what: "an effect of another owner",
      statement:
        "UPDATE billing_effects SET dedup_key = 'ev_c_parked' WHERE effect_key = 'capture:c_done:completed'",
      named: ["paypal ev_c_done effect_differs paypal/capture:c_done:completed"]
    },
    {
      what: "an effect over another amount",
      statement: "UPDATE billing_effects SET digest = 'x' WHERE effect_key = 'capture:c_lost:completed'",
      named: ["paypal ev_c_lost effect_differs paypal/capture:c_lost:completed"]
    },
    {
      what: "a fact recorded twice",
      statement: `INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
                  SELECT provider, 'ev_c_parked', 2, type, data FROM webhook_event_log
                   WHERE dedup_key = 'ev_c_done' AND type = 'BillingEventRecorded'`,
      named: ["paypal ev_c_done effect_doubled paypal/capture:c_done:completed"]
    },
    {
      what: "a fact lost from the log",
      statement: log("ev_c_done", "BillingEventRecorded"),
      named: [
        "paypal ev_c_done facts_of_completion",
        "paypal ev_c_done effect_unproven paypal/capture:c_done:completed"
      ]
    },
    {
      what: "the body of an open event lost",
      statement: "DELETE FROM webhook_payloads WHERE dedup_key = 'ev_c_parked'",
      named: ["paypal ev_c_parked body_missing"]
    },
    {
      what: "the body of a done event lost within its retention",
      statement: "DELETE FROM webhook_payloads WHERE dedup_key = 'ev_c_done'",
      named: ["paypal ev_c_done body_missing"]
    },
    {
      what: "a body without its event",
      statement:
        "INSERT INTO webhook_payloads (provider, dedup_key, key_id, sealed) VALUES ('paypal', 'ev_c_stray', 'k', '')",
      named: ["paypal ev_c_stray body_without_event"]
    }
  ]

  it.live(
    "names each kind of difference with its key, and nothing else",
    () =>
      Effect.gen(function* () {
        for (const { named, statement, what } of controls) {
          const { sql, url } = yield* migratedSchema
          yield* playEverything(url, "c")
          assert.isAbove(yield* tamper(sql, statement), 0, what)
          assert.deepStrictEqual([...(yield* auditOf(url)).named].sort(), [...named].sort(), what)
        }
      }).pipe(Effect.scoped),
    180_000
  )

  it.live("past its limit it only counts", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const store = yield* openStore(url)
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => index),
        (index) => claimed(store, delivery(`ev_many_${index}`)),
        { concurrency: "unbounded" }
      )
      yield* tamper(sql, "UPDATE webhook_dedup_events SET fence = 7")
      const { findings, summary } = yield* auditOf(url, { limit: 10 })
      assert.strictEqual(findings.length, 10)
      assert.deepStrictEqual(summary.byCode, { row_differs: 50 })
    }).pipe(Effect.scoped)
  )
})
