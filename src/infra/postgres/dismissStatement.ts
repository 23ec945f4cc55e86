import { Effect } from "effect"
import type { Act } from "../../domain/Events.ts"
import type { Connection } from "./Database.ts"
import type { ActResult, NameRow } from "./redriveStatement.ts"

/**
 * Ends a failed or parked event without booking anything. Done is final, so this is too; the guard trigger lets a
 * failed row become done under this one code. Races with a gate that claims the event like a re-drive does: one of the
 * two finds the row changed.
 */
const DISMISS = `
WITH r AS (
  SELECT id FROM webhook_dedup_events
   WHERE provider = $1 AND dedup_key = $2 AND status = 'failed'
     FOR UPDATE
), c AS (
  UPDATE webhook_dedup_events e
     SET status = 'done', error_code = 'dismissed', next_attempt_at = NULL, lease_until = NULL, version = e.version + 1,
         changed_at = clock_timestamp()
    FROM r WHERE e.id = r.id
  RETURNING e.provider, e.dedup_key, e.version, e.fence, e.attempts, e.failures
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
  SELECT provider, dedup_key, version, 'Dismissed',
         jsonb_build_object('fence', fence, 'attempts', attempts, 'failures', failures, 'by', $3::text, 'reason', $4::text)
    FROM c
)
SELECT CASE WHEN EXISTS (SELECT FROM c) THEN 'acted' WHEN e.status IS NULL THEN 'missing'
            WHEN e.status = 'failed' THEN CASE WHEN oncegate_repeat('dismiss') THEN 'raced' END ELSE e.status END AS result
  FROM (SELECT) one LEFT JOIN webhook_dedup_events e ON e.provider = $1 AND e.dedup_key = $2`

export const dismissRow = (connection: Connection, name: NameRow, act: Act) =>
  Effect.map(
    connection.query<{ result: ActResult }>("dismiss", DISMISS, [
      name.provider,
      name.dedup_key,
      act.by,
      act.reason
    ]),
    ([row]) => row!.result
  )
