import { Schema } from "effect"

const NullableText = Schema.NullOr(Schema.String)
const NullableTime = Schema.NullOr(Schema.Date)

/** A row of `webhook_dedup_events`, as the driver gives it. A test compares it with the live catalogue. */
export const DedupRow = Schema.Struct({
  id: Schema.String, // bigint
  provider: Schema.String,
  dedup_key: Schema.String,
  first_seen_at: Schema.Date,
  last_seen_at: NullableTime,
  status: Schema.Literals(["processing", "done", "failed"]),
  request_hash: NullableText,
  fence: Schema.Int,
  version: Schema.Int,
  attempts: Schema.Int,
  failures: Schema.Int,
  claim_token: NullableText,
  lease_until: NullableTime,
  /** `Infinity` where parked. */
  next_attempt_at: Schema.NullOr(Schema.Union([Schema.Date, Schema.Number])),
  changed_at: Schema.Date,
  error_code: NullableText,
  event_type: NullableText
})
export type DedupRow = typeof DedupRow.Type
