import { createHash } from "node:crypto"
import { Effect } from "effect"
import type { Horizon } from "../../domain/Audit.ts"
import { type BillingFact, digestText } from "../../domain/BillingFact.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type { AuditRun } from "./AuditRun.ts"
import { compareSides, type Side } from "./compareSides.ts"
import type { Snapshot } from "./Snapshot.ts"

interface FactRow {
  readonly provider: string
  readonly dedup_key: string
  readonly fact: BillingFact
  readonly at: Date
}

/** Facts that the log recorded, or that a rebase found in their topic, in any order: each books one effect. */
const RECORDED = `
SELECT l.provider, l.dedup_key, l.data->'fact' AS fact, l.at FROM webhook_event_log l
 WHERE l.type = 'BillingEventRecorded' AND ($1::text IS NULL OR l.provider = $1)
UNION ALL
SELECT s.data->>'endpoint', s.data->>'dedup_key', s.data, coalesce(s.at, now()) FROM relay_strays s
 WHERE s.topic = 'events' AND s.data ? 'effect_key' AND ($1::text IS NULL OR s.data->>'endpoint' = $1)`

const BOOKED = `
SELECT b.provider, b.effect_key, b.dedup_key, b.digest, b.recorded_at FROM billing_effects b
 WHERE $1::text IS NULL OR b.provider = $1`

interface EffectRow {
  readonly provider: string
  readonly effect_key: string
  readonly dedup_key: string
  readonly digest: string
  readonly recorded_at: Date
}

const digestOf = (fact: BillingFact) => createHash("sha256").update(digestText(fact)).digest("hex")

/** Every booked effect has exactly one fact in the log, of the same owner and over the same money, and every fact its effect. */
export const compareEffects = (
  snapshot: Snapshot,
  run: AuditRun,
  horizon: Horizon,
  enough: () => boolean
) => {
  const recorded: Side<DatabaseError, never> = (onEntries) =>
    snapshot.each<FactRow, never, never>("facts", RECORDED, [run.endpoint], (rows) =>
      Effect.sync(() => {
        run.onRows("effects", rows.length)
        onEntries(
          rows.map(({ at, dedup_key, fact, provider }) => ({
            id: `${provider}/${fact.effect_key}`,
            content: `${dedup_key}\n${digestOf(fact)}`,
            endpoint: provider,
            key: dedup_key,
            optional: at.getTime() <= horizon.log
          }))
        )
      })
    )
  const booked: Side<DatabaseError, never> = (onEntries) =>
    snapshot.each<EffectRow, never, never>("effects", BOOKED, [run.endpoint], (rows) =>
      Effect.sync(() => {
        run.onRows("effects", rows.length)
        onEntries(
          rows.map(({ dedup_key, digest, effect_key, provider, recorded_at }) => ({
            id: `${provider}/${effect_key}`,
            content: `${dedup_key}\n${digest}`,
            endpoint: provider,
            key: dedup_key,
            optional: recorded_at.getTime() <= horizon.log
          }))
        )
      })
    )
  return compareSides(
    run,
    recorded,
    booked,
    {
      missing: "effect_missing",
      unknown: "effect_unproven",
      doubled: "effect_doubled",
      differs: "effect_differs"
    },
    enough
  )
}
