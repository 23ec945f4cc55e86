import { Effect, Redacted } from "effect"
import type postgres from "postgres"
import { database } from "../../../src/cli/Service.ts"
import type { Finding } from "../../../src/domain/Difference.ts"
import { type AuditOptions, runAudit } from "../../../src/infra/audit/runAudit.ts"
import { claimed, delivery, fact, openStore, proving } from "../../support/Store.ts"

/** An audit of this database: its summary, and each difference as `endpoint key code field`. */
export const auditOf = Effect.fnUntraced(function* (url: string, options: Partial<AuditOptions> = {}) {
  const findings: Array<Finding> = []
  const summary = yield* runAudit({
    endpoint: null,
    kafka: null,
    rebuild: false,
    limit: 1_000,
    nowMs: Date.now(),
    onRows: () => {},
    onFinding: (finding) => Effect.sync(() => void findings.push(finding)),
    ...options
  }).pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) })))
  return {
    summary,
    findings,
    named: findings.map(({ code, endpoint, field, key }) =>
      [endpoint, key, code, field].filter(Boolean).join(" ")
    )
  }
})

/** Changes what the guards of the database refuse to everybody. */
export const tamper = (sql: postgres.Sql, statement: string) =>
  Effect.promise(() =>
    sql.begin(async (tx) => {
      await tx`SET LOCAL session_replication_role = replica`
      return (await tx.unsafe(statement)).count
    })
  )

/**
 * Every way an event can go, on keys that begin with `name`: done, duplicates, failed and claimed again, parked, lost to
 * another worker, conflict, quarantine, forgery, an effect met twice, handed back.
 */
export const playEverything = Effect.fnUntraced(function* (url: string, name: string) {
  const store = yield* openStore(url, { policy: { backoffBaseMs: 0, maxAttempts: 2 } })
  const slow = yield* openStore(url, { policy: { leaseMs: 0, maxAttempts: 5 } })
  const key = (suffix: string) => `ev_${name}_${suffix}`
  const money = (suffix: string) => proving(fact(`capture:${name}_${suffix}:completed`))

  yield* store.complete(yield* claimed(store, delivery(key("done"))), money("done"))
  yield* Effect.forEach(Array.from({ length: 10 }), () => store.claim(delivery(key("done"))), {
    concurrency: "unbounded"
  })
  const again = yield* claimed(store, delivery(key("again")))
  yield* store.fail(again, { kind: "event", code: "unexpected", delayMs: 60_000 })
  yield* store.complete(yield* claimed(store, delivery(key("again"))), money("again"))
  yield* store.fail(yield* claimed(store, delivery(key("parked"))), {
    kind: "permanent",
    code: "uninterpretable",
    delayMs: 0
  })
  yield* store.claim(delivery(key("parked")))
  yield* store.fail(yield* claimed(store, delivery(key("failed"))), {
    kind: "world",
    code: "provider_unavailable",
    delayMs: 3_600_000
  })
  yield* claimed(slow, delivery(key("lost")))
  yield* store.complete(yield* claimed(store, delivery(key("lost"))), money("lost"))
  yield* claimed(store, delivery(key("open")))
  yield* store.release(yield* claimed(store, delivery(key("released"))))
  yield* store.claim(delivery(key("done"), "another body"))
  yield* store.claim(delivery(`raw_${name}`, "no json", { quarantine: true }))
  yield* store.claim(delivery(key("signed"), "a", { transmission: `t_${name}`, crc32: 7 }))
  yield* store.claim(delivery(key("forged"), "b", { transmission: `t_${name}`, crc32: 7 }))
  yield* store.complete(yield* claimed(store, delivery(key("same"))), money("done"))
  yield* store.complete(yield* claimed(store, delivery(key("factless"))), {
    eventType: "CHECKOUT.ORDER.APPROVED",
    facts: [],
    note: "unmapped"
  })
  const other = yield* claimed(store, delivery(key("clash")))
  yield* Effect.flip(store.complete(other, proving(fact(`capture:${name}_done:completed`, "99.00"))))
  yield* store.fail(other, {
    kind: "permanent",
    code: "effect_conflict",
    delayMs: 0,
    effectKeys: [`capture:${name}_done:completed`]
  })
})
