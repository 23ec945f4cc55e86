import { Effect } from "effect"
import type { Connection } from "./Database.ts"
import { waiting } from "./takeStatement.ts"

const PAGE = 500

/**
 * Ends events that their provider's API did not know for so long: almost surely nobody's payment. An event in the log
 * and an outcome for consumers say so; nothing is booked. Found by the index of due failures; rows that a gate is
 * trying right now are passed by.
 */
const DISMISS_UNCONFIRMED = `
WITH r AS (
  SELECT id FROM webhook_dedup_events
   WHERE ${waiting("unconfirmed")}
     AND first_seen_at < clock_timestamp() - $1::bigint * interval '1 ms'
   ORDER BY provider, next_attempt_at LIMIT ${PAGE}
     FOR UPDATE SKIP LOCKED
), c AS (
  UPDATE webhook_dedup_events e
     SET status = 'done', error_code = 'dismissed', next_attempt_at = NULL, version = e.version + 1,
         changed_at = clock_timestamp()
    FROM r WHERE e.id = r.id
  RETURNING e.provider, e.dedup_key, e.version, e.fence, e.attempts, e.failures
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
  SELECT provider, dedup_key, version, 'Dismissed',
         jsonb_build_object('fence', fence, 'attempts', attempts, 'failures', failures,
                            'by', 'retention', 'reason', 'never confirmed by the provider')
    FROM c
)
SELECT count(*)::int AS deleted, count(*) = ${PAGE} AS more FROM c`

export const dismissUnconfirmed = (connection: Connection, afterMs: number) =>
  Effect.map(
    connection.query<{ deleted: number; more: boolean }>("retention unconfirmed", DISMISS_UNCONFIRMED, [
      afterMs
    ]),
    ([row]) => row!
  )
