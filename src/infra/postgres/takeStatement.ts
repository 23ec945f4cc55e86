import { Effect } from "effect"
import type { ReclaimReason } from "../../domain/GateEvent.ts"
import type { Lane } from "../../domain/GateStore.ts"
import type { Connection } from "./Database.ts"

export interface TakenRow {
  readonly dedup_key: string
  readonly fence: number
  readonly failures: number
  readonly because: ReclaimReason
  readonly trace: string | null
  /** Null where no body is in custody. */
  readonly key_id: string | null
  readonly sealed: Buffer | null
}

/** What waits in a lane for its next attempt, in the words of `idx_webhook_dedup_due`, which so reads no other lane. */
export const waiting = (lane: "retry" | "provider_busy" | "unconfirmed") =>
  `status = 'failed' AND next_attempt_at < 'infinity'
   AND CASE WHEN error_code IN ('unconfirmed', 'provider_busy') THEN error_code ELSE 'retry' END = '${lane}'`

/** The time of the statement bounds the scan of the index; `clock_timestamp()`, which moves, could not. */
const DUE = "next_attempt_at <= now() ORDER BY next_attempt_at"

/** Which rows a lane takes, and in which order: the oldest first, and of those due nobody overtakes for ever. */
const LANES: Readonly<Record<Lane, string>> = {
  rescue: `status = 'processing' AND (lease_until IS NULL OR lease_until <= clock_timestamp()) ORDER BY failures > 0, id`,
  retry: `${waiting("retry")} AND ${DUE}`,
  busy: `${waiting("provider_busy")} AND ${DUE}`,
  unconfirmed: `${waiting("unconfirmed")} AND ${DUE}`
}

/**
 * Claims events of one endpoint whose worker died or whose next attempt is due, with their bodies.
 *
 * Any number of gates may run this at once, without a leader: SKIP LOCKED gives each other rows. An expired lease is a
 * counted attempt; where that spends the last one, the event is parked here and not returned.
 */
export const take = (lane: Lane) => `
WITH pick AS (
  SELECT id, status, status = 'processing' AND attempts + 1 >= $4::int AS spent,
         CASE WHEN status = 'processing' THEN 'lease_expired' WHEN error_code = 'redriven' THEN 'redriven' ELSE 'failed' END AS because
    FROM webhook_dedup_events
   WHERE provider = $1 AND ${LANES[lane]}
   LIMIT $2::int
     FOR UPDATE SKIP LOCKED
), u AS (
  UPDATE webhook_dedup_events e
     SET status          = CASE WHEN spent THEN 'failed' ELSE 'processing' END,
         fence           = e.fence + CASE WHEN spent THEN 0 ELSE 1 END,
         version         = e.version + 1,
         attempts        = e.attempts + CASE WHEN pick.status = 'processing' THEN 1 ELSE 0 END,
         failures        = e.failures + CASE WHEN pick.status = 'processing' THEN 1 ELSE 0 END,
         claim_token     = NULL,
         lease_until     = CASE WHEN spent THEN NULL ELSE clock_timestamp() + $3::bigint * interval '1 ms' END,
         next_attempt_at = CASE WHEN spent THEN timestamptz 'infinity' END,
         error_code      = CASE WHEN spent THEN 'attempts_exhausted' END,
         changed_at      = clock_timestamp()
    FROM pick WHERE e.id = pick.id
  RETURNING e.id, e.provider, e.dedup_key, e.version, e.fence, e.attempts, e.failures, e.changed_at, pick.because, pick.spent
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
  SELECT provider, dedup_key, version, CASE WHEN spent THEN 'Parked' ELSE 'Reclaimed' END,
         jsonb_build_object('fence', fence, 'attempts', attempts, 'failures', failures) || CASE
           WHEN spent THEN jsonb_build_object('code', 'attempts_exhausted')
           ELSE jsonb_build_object('because', because, 'claimed_at', extract(epoch FROM changed_at) * 1000) END
    FROM u ORDER BY id
)
SELECT u.dedup_key, u.fence, u.failures, u.because, u.spent, p.key_id, p.sealed,
       (SELECT trace FROM webhook_event_log g WHERE g.provider = u.provider AND g.dedup_key = u.dedup_key
         ORDER BY position LIMIT 1) AS trace
  FROM u LEFT JOIN webhook_payloads p ON p.provider = u.provider AND p.dedup_key = u.dedup_key
 ORDER BY u.id`

/** What was taken, and how many were parked because their attempts are spent. */
export const takeRows = Effect.fnUntraced(function* (
  connection: Connection,
  lane: Lane,
  provider: string,
  limit: number,
  limits: { readonly leaseMs: number; readonly maxAttempts: number }
) {
  const rows = yield* connection.query<TakenRow & { readonly spent: boolean }>(`take ${lane}`, take(lane), [
    provider,
    limit,
    limits.leaseMs,
    limits.maxAttempts
  ])
  const taken = rows.filter((row) => !row.spent)
  return { taken, parked: rows.length - taken.length }
})
