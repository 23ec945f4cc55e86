import { Effect } from "effect"
import type { Connection } from "./Database.ts"

export interface FailRow {
  readonly provider: string
  readonly dedupKey: string
  readonly fence: number
  readonly code: string
  /** Parked at once. */
  readonly permanent: boolean
  /** Counts towards the limit of attempts. */
  readonly counted: boolean
  readonly delayMs: number
  /** Facts that are booked with other amounts, for the log. */
  readonly effectKeys: ReadonlyArray<string>
  /** Handed back unharmed: no failure at all. */
  readonly released: boolean
  readonly trace: string | null
}

export type FailResult = "retry_scheduled" | "parked" | "stale"

/**
 * Ends an attempt without a result, for a whole group: fenced like a completion, locked in key order, with the log in
 * the same commit. The next attempt is set on the database's clock. A failure of ours whose reply was lost shows as
 * `failed` under our own fence.
 */
const FAIL = `
WITH v AS (
  SELECT v.provider, v.dedup_key, v.fence, v.code, v.permanent = 1 AS permanent, v.counted = 1 AS counted, v.delay_ms,
         v.released = 1 AS released, v.trace, v.n
    FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::int[], $6::int[], $7::bigint[], $8::int[], $9::text[])
    WITH ORDINALITY AS v(provider, dedup_key, fence, code, permanent, counted, delay_ms, released, trace, n)
), r AS (
  SELECT e.id, v.*, v.permanent OR (v.counted AND e.attempts + 1 >= $10::int) AS parked
    FROM webhook_dedup_events e JOIN v USING (provider, dedup_key)
   WHERE e.status || '' = 'processing' AND e.fence = v.fence
   ORDER BY e.provider, e.dedup_key
     FOR UPDATE OF e
), c AS (
  UPDATE webhook_dedup_events e
     SET status = 'failed', lease_until = NULL, version = e.version + 1,
         attempts = e.attempts + CASE WHEN r.counted THEN 1 ELSE 0 END,
         failures = e.failures + CASE WHEN r.released THEN 0 ELSE 1 END,
         error_code = r.code, changed_at = clock_timestamp(),
         next_attempt_at = CASE WHEN r.parked THEN timestamptz 'infinity'
                                ELSE clock_timestamp() + r.delay_ms * interval '1 ms' END
    FROM r WHERE e.id = r.id
  RETURNING r.n, e.version, e.fence, e.attempts, e.failures, e.next_attempt_at, e.changed_at, r.parked, r.released
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT provider, dedup_key, version, type, data, trace FROM (
    SELECT n, 0 AS note, provider, dedup_key, c.version, 'EffectConflict' AS type,
           jsonb_build_object('effect_key', k.effect_key) AS data, trace
      FROM c JOIN v USING (n) JOIN unnest($11::bigint[], $12::text[]) AS k(n, effect_key) USING (n)
    UNION ALL
    SELECT n, 1, provider, dedup_key, c.version,
           CASE WHEN c.parked THEN 'Parked' WHEN c.released THEN 'Released' ELSE 'Failed' END,
           jsonb_build_object('fence', c.fence, 'attempts', attempts, 'failures', failures)
             || CASE WHEN c.released THEN '{}' ELSE jsonb_build_object('code', v.code) END
             || CASE WHEN c.parked THEN '{}' ELSE jsonb_build_object(
                  'next_attempt_at', extract(epoch FROM next_attempt_at) * 1000,
                  'failed_at', extract(epoch FROM changed_at) * 1000) END, trace
      FROM c JOIN v USING (n)
  ) AS rows ORDER BY n, note
)
SELECT CASE WHEN c.n IS NOT NULL THEN CASE WHEN c.parked THEN 'parked' ELSE 'retry_scheduled' END
            WHEN e.status = 'failed' AND e.fence = v.fence
              THEN CASE WHEN e.next_attempt_at = 'infinity' THEN 'parked' ELSE 'retry_scheduled' END
            WHEN e.status = 'processing' AND e.fence = v.fence THEN CASE WHEN oncegate_repeat('fail') THEN 'raced' END
            ELSE 'stale' END AS result
  FROM v LEFT JOIN c USING (n)
  LEFT JOIN webhook_dedup_events e ON e.provider = v.provider AND e.dedup_key = v.dedup_key
 ORDER BY v.n`

/** One result a row, in the order of the rows. */
export const failRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<FailRow>,
  maxAttempts: number
) {
  const conflicts = rows.flatMap((row, index) => row.effectKeys.map((key) => ({ n: index + 1, key })))
  // The driver takes an array of booleans for a boolean: they travel as numbers.
  const results = yield* connection.query<{ result: FailResult }>("fail", FAIL, [
    rows.map((row) => row.provider),
    rows.map((row) => row.dedupKey),
    rows.map((row) => row.fence),
    rows.map((row) => row.code),
    rows.map((row) => Number(row.permanent)),
    rows.map((row) => Number(row.counted)),
    rows.map((row) => row.delayMs),
    rows.map((row) => Number(row.released)),
    rows.map((row) => row.trace),
    maxAttempts,
    conflicts.map(({ n }) => n),
    conflicts.map(({ key }) => key)
  ])
  return results.map(({ result }) => result)
})

/** Heartbeats, for a whole group. `lease_until` stands in no index, so this stays a heap-only update. */
const RENEW = `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) WITH ORDINALITY AS v(provider, dedup_key, fence, n)
), r AS (
  SELECT e.id, v.n FROM webhook_dedup_events e JOIN v USING (provider, dedup_key)
   WHERE e.status || '' = 'processing' AND e.fence = v.fence
   ORDER BY e.provider, e.dedup_key
     FOR UPDATE OF e
), c AS (
  UPDATE webhook_dedup_events e SET lease_until = clock_timestamp() + $4::bigint * interval '1 ms'
    FROM r WHERE e.id = r.id
  RETURNING r.n
)
SELECT c.n IS NOT NULL AS held FROM v LEFT JOIN c USING (n) ORDER BY v.n`

/** Whether each claim still holds, in the order of the rows. */
export const renewRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<{ readonly provider: string; readonly dedupKey: string; readonly fence: number }>,
  leaseMs: number
) {
  const results = yield* connection.query<{ held: boolean }>("renew", RENEW, [
    rows.map((row) => row.provider),
    rows.map((row) => row.dedupKey),
    rows.map((row) => row.fence),
    leaseMs
  ])
  return results.map(({ held }) => held)
})
