import { Schema } from "effect"
import { BillingFact } from "./BillingFact.ts"
import { DedupKey } from "./DedupKey.ts"
import { EffectKey } from "./EffectKey.ts"
import { ErrorCode } from "./ErrorCode.ts"
import { Fence } from "./Fence.ts"
import { RequestHash } from "./RequestHash.ts"

/** Why a claim was taken again. */
export const ReclaimReason = Schema.Literals(["failed", "lease_expired", "redelivered", "redriven"])
export type ReclaimReason = typeof ReclaimReason.Type

/** What a duplicate met; also the `state` of its answer. */
export const DuplicateState = Schema.Literals([
  "processing",
  "done",
  "retry_scheduled",
  "parked",
  "unconfirmed",
  "quarantined",
  "conflict"
])
export type DuplicateState = typeof DuplicateState.Type

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
/** Milliseconds since 1970, on the database's clock. */
const Instant = Schema.Finite
const EventType = Schema.NullOr(Schema.String.check(Schema.isMaxLength(255)))
/** What every change of state leaves behind: after it, a fold of the log knows the row. */
const standing = { fence: Fence, attempts: Count, failures: Count }
const who = { by: Schema.String, reason: Schema.String }

/**
 * The events of the log, version 1 of each. Changes of state take the next version of their stream; notes carry the
 * version they saw.
 */
export const GateEvent = Schema.TaggedUnion({
  // changes of state
  Claimed: {
    ...standing,
    request_hash: Schema.NullOr(RequestHash),
    event_type: EventType,
    claimed_at: Instant
  },
  Reclaimed: { ...standing, because: ReclaimReason, claimed_at: Instant },
  Completed: {
    ...standing,
    event_type: EventType,
    note: Schema.NullOr(Schema.String),
    effects: Schema.Array(EffectKey)
  },
  Failed: { ...standing, code: ErrorCode, next_attempt_at: Instant, failed_at: Instant },
  Parked: { ...standing, code: ErrorCode, event_type: Schema.optionalKey(EventType) },
  Quarantined: { ...standing, request_hash: RequestHash },
  Released: { ...standing, next_attempt_at: Instant, failed_at: Instant },
  Redriven: { ...standing, next_attempt_at: Instant, ...who },
  Dismissed: { ...standing, ...who },
  Reinterpreted: { ...standing, effects: Schema.Array(EffectKey), ...who },
  // notes
  DuplicateSeen: { state: DuplicateState, count: Count },
  PayloadMismatch: { request_hash: RequestHash, conflict_key: DedupKey },
  Forgery: { transmission_id: Schema.String, request_hash: RequestHash },
  BillingEventRecorded: { fact: BillingFact },
  EffectAlreadyRecorded: { effect_key: EffectKey },
  EffectConflict: { effect_key: EffectKey }
})
export type GateEvent = typeof GateEvent.Type
export type GateEventTag = GateEvent["_tag"]

const notes: ReadonlySet<GateEventTag> = new Set([
  "DuplicateSeen",
  "PayloadMismatch",
  "Forgery",
  "BillingEventRecorded",
  "EffectAlreadyRecorded",
  "EffectConflict"
])

/** True where the event changes the state and so takes the next version of its stream. */
export const isChange = (event: GateEvent) => !notes.has(event._tag)
