import { Schema } from "effect"
import { BillingFact } from "./BillingFact.ts"
import { DuplicateState } from "./GateEvent.ts"

/** State of an event as people see it: the words that duplicates are answered with. */
export const EventState = DuplicateState
export type EventState = DuplicateState

/** States in which an event stands still or waits, and a person may act on it. */
export const OpenState = Schema.Literals([
  "parked",
  "retry_scheduled",
  "unconfirmed",
  "conflict",
  "quarantined"
])
export type OpenState = typeof OpenState.Type

const Time = Schema.String.annotate({ description: "ISO 8601, UTC" })

const summary = {
  endpoint: Schema.String,
  dedup_key: Schema.String,
  state: EventState,
  /** Why it failed, was parked or dismissed. */
  error_code: Schema.NullOr(Schema.String),
  event_type: Schema.NullOr(Schema.String),
  attempts: Schema.Int.annotate({ description: "Counted failures since the last re-drive" }),
  failures: Schema.Int.annotate({ description: "All failures since the last re-drive" }),
  first_seen_at: Time,
  changed_at: Time.annotate({ description: "Of the last change of state" }),
  next_attempt_at: Schema.NullOr(Time).annotate({ description: "Null where no attempt is planned" })
}

/** A line of a list. */
export const EventSummary = Schema.Struct(summary).annotate({ identifier: "EventSummary" })
export type EventSummary = typeof EventSummary.Type

/** A page of a list, newest first. */
export const EventPage = Schema.Struct({
  events: Schema.Array(EventSummary),
  cursor: Schema.NullOr(Schema.String).annotate({ description: "Of the next page; null at the end" })
}).annotate({ identifier: "EventPage" })
export type EventPage = typeof EventPage.Type

/** A row of the log: ids, codes and amounts, never a body. */
export const LogLine = Schema.Struct({
  position: Schema.Int,
  version: Schema.Int,
  type: Schema.String,
  at: Time,
  event_id: Schema.String,
  data: Schema.Record(Schema.String, Schema.Unknown)
}).annotate({ identifier: "LogLine" })
export type LogLine = typeof LogLine.Type

/** All that there is to see of one event. Its body is not among it: nothing shows bodies. */
export const EventDetail = Schema.Struct({
  ...summary,
  request_hash: Schema.NullOr(Schema.String).annotate({ description: "SHA-256 of the body" }),
  fence: Schema.Int,
  version: Schema.Int,
  last_seen_at: Schema.NullOr(Time),
  lease_until: Schema.NullOr(Time),
  body: Schema.Literals(["in custody", "gone"]).annotate({
    description: "Whether the body is still kept; it is never shown"
  }),
  facts: Schema.Array(
    Schema.Struct({ id: Schema.String, position: Schema.Int, ...BillingFact.fields })
  ).annotate({ description: "Billing facts that this event booked, with the ce_id of their records" }),
  log: Schema.Array(LogLine),
  log_omitted: Schema.Int.annotate({ description: "Older rows of the log that are not shown" })
}).annotate({ identifier: "EventDetail" })
export type EventDetail = typeof EventDetail.Type
