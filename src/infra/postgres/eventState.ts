import type { EventState } from "../../domain/EventView.ts"

/** The state that people see, of a row of `webhook_dedup_events`. Agrees with `duplicateState` of the domain. */
export const STATE = `CASE
  WHEN status IN ('processing', 'done') THEN status
  WHEN error_code = 'payload_mismatch' AND next_attempt_at = 'infinity' THEN 'conflict'
  WHEN error_code = 'not_json_object' AND next_attempt_at = 'infinity' THEN 'quarantined'
  WHEN next_attempt_at = 'infinity' THEN 'parked'
  WHEN error_code = 'unconfirmed' THEN 'unconfirmed'
  ELSE 'retry_scheduled' END`

/**
 * The rows of a state. In words that the partial indexes know, and never as a parameter: the planner must see that
 * a few parked rows among millions of done ones are found by `idx_webhook_dedup_status`.
 */
export const rowsIn = (state: EventState) =>
  state === "done" || state === "processing"
    ? `status = '${state}'`
    : `status = 'failed' AND (${STATE}) = '${state}'`

/** Not done. */
export const OPEN = "status IN ('processing', 'failed')"
