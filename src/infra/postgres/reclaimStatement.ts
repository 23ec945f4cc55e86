import { Effect } from "effect"
import type { DuplicateState, ReclaimReason } from "../../domain/GateEvent.ts"
import { type ClaimRow, TOUCHED } from "./claimStatement.ts"
import type { Connection } from "./Database.ts"

export interface ReclaimLimits {
  readonly leaseMs: number
  readonly maxAttempts: number
  /** Between two re-claims of a failed event by redeliveries. */
  readonly redeliveryIntervalMs: number
}

/** What a delivery met whose key was taken. `missing`: purged in between, so claim again. `mismatch`: another body. */
export type ReclaimResult =
  | {
      readonly result: "claimed"
      readonly fence: number
      readonly because: ReclaimReason | "first"
      readonly failures: number
    }
  /** `spent`: parked by this statement, because its attempts are spent. */
  | { readonly result: "duplicate"; readonly state: DuplicateState; readonly spent: boolean | null }
  | { readonly result: "completed" | "quarantined" | "conflict" | "mismatch" | "missing" }

const DONE =
  "webhook_dedup_events d JOIN v ON d.provider = v.provider AND d.dedup_key = v.dedup_key AND d.status = 'done'"

/**
 * Re-claims what may be re-claimed, and classifies the rest, for a whole group. A new statement after the claim, and so
 * a new snapshot: every row that the claim met is visible here.
 *
 * Wins the race between re-claimers: rows are locked in key order and the conditions are checked again after the wait;
 * one gets the next fence, the others find the row claimed. What classification reads may be a moment old, which only
 * the wording of an answer can tell. A row with our own token is our claim whose reply was lost.
 */
const RECLAIM = `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::int[], $9::text[])
    WITH ORDINALITY AS v(provider, dedup_key, request_hash, token, key_id, sealed, trace, count, kind, n)
), r AS (
  SELECT e.id, v.n, e.status, e.attempts, e.failures,
         CASE WHEN e.status = 'processing' THEN 'lease_expired'
              WHEN e.error_code = 'redriven' AND e.next_attempt_at <= clock_timestamp() THEN 'redriven'
              WHEN e.next_attempt_at <= clock_timestamp() THEN 'failed'
              ELSE 'redelivered' END AS because,
         e.status = 'processing' AND e.attempts + 1 >= $11::int AS spent
    FROM webhook_dedup_events e JOIN v USING (provider, dedup_key)
   WHERE v.kind = 'claim'
     AND (e.request_hash IS NULL OR e.request_hash = v.request_hash)
     AND e.claim_token IS DISTINCT FROM v.token
     AND (   (e.status = 'processing' AND (e.lease_until IS NULL OR e.lease_until <= clock_timestamp()))
          OR (e.status = 'failed' AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= clock_timestamp()))
          OR (e.status = 'failed' AND e.next_attempt_at < 'infinity'
              AND e.changed_at + $12::bigint * interval '1 ms' <= clock_timestamp())
          OR (e.status = 'failed' AND e.error_code IN ('no_custody', 'custody_broken'))) -- this delivery brings the body
   ORDER BY e.provider, e.dedup_key
     FOR UPDATE OF e
), u AS (
  UPDATE webhook_dedup_events e
     SET status          = CASE WHEN spent THEN 'failed' ELSE 'processing' END,
         fence           = e.fence + CASE WHEN spent THEN 0 ELSE 1 END,
         version         = e.version + 1,
         attempts        = e.attempts + CASE WHEN r.status = 'processing' THEN 1 ELSE 0 END,
         failures        = e.failures + CASE WHEN r.status = 'processing' THEN 1 ELSE 0 END,
         claim_token     = v.token,
         request_hash    = v.request_hash,
         lease_until     = CASE WHEN spent THEN NULL ELSE clock_timestamp() + $10::bigint * interval '1 ms' END,
         next_attempt_at = CASE WHEN spent THEN timestamptz 'infinity' END,
         error_code      = CASE WHEN spent THEN 'attempts_exhausted' END,
         changed_at      = clock_timestamp(),
         last_seen_at    = clock_timestamp()
    FROM r JOIN v USING (n)
   WHERE e.id = r.id
  RETURNING v.n, e.provider, e.dedup_key, e.version, e.fence, e.attempts, e.failures, e.changed_at, r.because, r.spent
), ${TOUCHED(DONE, "d.last_seen_at")}
), p AS (
  INSERT INTO webhook_payloads (provider, dedup_key, key_id, sealed)
  SELECT v.provider, v.dedup_key, v.key_id, decode(v.sealed, 'base64') FROM u JOIN v USING (n)
  -- The hash is that of the row, so this is the same body; a blob that was broken, or whose key is gone, is replaced.
  ON CONFLICT (provider, dedup_key) DO UPDATE SET key_id = EXCLUDED.key_id, sealed = EXCLUDED.sealed
), seen AS (
  SELECT v.n, CASE
           WHEN u.n IS NOT NULL THEN CASE WHEN u.spent THEN 'duplicate' ELSE 'claimed' END
           WHEN e.id IS NULL THEN 'missing'
           WHEN e.request_hash <> v.request_hash THEN 'mismatch'
           -- An adopted row gets its hash from the delivery that wins it, which this snapshot may not see.
           WHEN e.request_hash IS NULL AND v.kind = 'claim' AND (e.status = 'processing' OR e.error_code = 'no_custody')
             THEN CASE WHEN oncegate_repeat('hash') THEN 'missing' END
           -- Ours, whose reply was lost.
           WHEN v.kind <> 'claim' AND e.claim_token = v.token
             THEN CASE v.kind WHEN 'quarantine' THEN 'quarantined' ELSE 'conflict' END
           WHEN e.status = 'processing' AND e.claim_token = v.token THEN 'claimed'
           WHEN e.status = 'done' AND e.claim_token = v.token THEN 'completed'
           ELSE 'duplicate' END AS result,
         CASE
           WHEN u.spent THEN 'parked'
           WHEN e.status IN ('processing', 'done') THEN e.status
           WHEN e.error_code = 'payload_mismatch' THEN 'conflict'
           WHEN e.error_code = 'not_json_object' THEN 'quarantined'
           WHEN e.next_attempt_at = 'infinity' THEN 'parked'
           WHEN e.error_code = 'unconfirmed' THEN 'unconfirmed'
           ELSE 'retry_scheduled' END AS state,
         coalesce(u.fence, e.fence) AS fence, coalesce(u.failures, e.failures) AS failures,
         coalesce(u.because, CASE
           WHEN e.fence = 1 THEN 'first'
           WHEN e.claim_token = v.token -- of a lost reply: what it was is in the log alone
             THEN (SELECT g.data->>'because' FROM webhook_event_log g
                    WHERE g.provider = e.provider AND g.dedup_key = e.dedup_key AND g.type = 'Reclaimed'
                    ORDER BY g.position DESC LIMIT 1)
           END) AS because,
         coalesce(u.version, e.version) AS version
    FROM v LEFT JOIN u USING (n) LEFT JOIN webhook_dedup_events e ON e.provider = v.provider AND e.dedup_key = v.dedup_key
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT provider, dedup_key, version, type, data, trace FROM (
    SELECT u.n, 0 AS note, u.provider, u.dedup_key, u.version, CASE WHEN spent THEN 'Parked' ELSE 'Reclaimed' END AS type,
           jsonb_build_object('fence', fence, 'attempts', attempts, 'failures', failures) || CASE
             WHEN spent THEN jsonb_build_object('code', 'attempts_exhausted')
             ELSE jsonb_build_object('because', because, 'claimed_at', extract(epoch FROM changed_at) * 1000) END AS data,
           v.trace
      FROM u JOIN v USING (n)
    UNION ALL
    SELECT n, 1, v.provider, v.dedup_key, s.version, 'DuplicateSeen',
           jsonb_build_object('state', CASE WHEN s.result = 'claimed' THEN 'processing' ELSE s.state END,
                              'count', v.count - CASE WHEN s.result = 'claimed' THEN 1 ELSE 0 END), v.trace
      FROM seen s JOIN v USING (n) LEFT JOIN u USING (n)
     WHERE s.result = 'duplicate' OR (u.n IS NOT NULL AND v.count > 1)
  ) AS rows ORDER BY n, note
)
SELECT s.result, s.state, s.fence, s.failures, s.because, u.spent FROM seen s LEFT JOIN u USING (n) ORDER BY n`

/** One result a row, in the order of the rows. `counts`: deliveries of the row in this group. */
export const reclaimRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<ClaimRow>,
  counts: ReadonlyArray<number>,
  limits: ReclaimLimits
) {
  return yield* connection.query<ReclaimResult>("reclaim", RECLAIM, [
    rows.map((row) => row.provider),
    rows.map((row) => row.dedupKey),
    rows.map((row) => row.requestHash),
    rows.map((row) => row.token),
    rows.map((row) => row.keyId),
    rows.map((row) => row.sealed.toString("base64")),
    rows.map((row) => row.trace),
    counts,
    rows.map((row) => row.kind),
    limits.leaseMs,
    limits.maxAttempts,
    limits.redeliveryIntervalMs
  ])
})
