import { Effect } from "effect"
import { type AuditRun, report } from "./AuditRun.ts"
import type { Snapshot } from "./Snapshot.ts"

/** Bodies whose event is not there: nobody would ever delete them. */
export const strayBodies = Effect.fnUntraced(function* (snapshot: Snapshot, run: AuditRun) {
  yield* snapshot.each<{ provider: string; dedup_key: string }, never, never>(
    "bodies",
    `SELECT p.provider, p.dedup_key FROM webhook_payloads p
      WHERE ($1::text IS NULL OR p.provider = $1)
        AND NOT EXISTS (SELECT FROM webhook_dedup_events e WHERE e.provider = p.provider AND e.dedup_key = p.dedup_key)
      ORDER BY p.provider, p.dedup_key`,
    [run.endpoint],
    (rows) => {
      run.onRows("bodies", rows.length)
      return report(
        run,
        rows.map(({ dedup_key, provider }) => ({
          endpoint: provider,
          key: dedup_key,
          code: "body_without_event" as const,
          expected: null,
          found: "in custody"
        }))
      )
    }
  )
})
