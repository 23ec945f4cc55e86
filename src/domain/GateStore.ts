import { Context, type Effect, Schema } from "effect"
import type { DedupKey } from "./DedupKey.ts"
import type { Delivery } from "./Delivery.ts"
import type { Endpoint } from "./Endpoint.ts"
import type { ErrorCode, FailureKind } from "./ErrorCode.ts"
import type { Fence } from "./Fence.ts"
import type { DuplicateState, ReclaimReason } from "./GateEvent.ts"
import type { Identity, Interpretation } from "./Provider.ts"

/** The store cannot say what became of the request: answer 503, the provider comes again. `code` is a SQLSTATE or driver code. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  code: Schema.String
}) {}

/** The database refuses a value of this event: trying again changes nothing unless the gate is mended. */
export class StoreRejected extends Schema.TaggedError<StoreRejected>()("StoreRejected", {
  code: Schema.String
}) {}

/** Another worker holds the event now, or settled it: whatever this one did counts for nothing. */
export class ClaimLost extends Schema.TaggedError<ClaimLost>()("ClaimLost", {}) {}

/** A fact of this event is booked already with another amount, currency or parent: a person must look. */
export class EffectConflict extends Schema.TaggedError<EffectConflict>()("EffectConflict", {
  effectKeys: Schema.Array(Schema.String)
}) {}

/**
 * What the facts tell the state of was told of by another event, and otherwise, since this one was claimed: its answer may
 * be the older one. Nothing was booked; ask again under a new claim.
 */
export class AnswerOutdated extends Schema.TaggedError<AnswerOutdated>()("AnswerOutdated", {}) {}

/** The right to process one event: every later transition presents its fence. */
export interface Claim {
  readonly endpoint: Endpoint
  readonly dedupKey: DedupKey
  readonly fence: Fence
  readonly because: ReclaimReason | "first"
  /** Failures so far, for the backoff. */
  readonly failures: number
  /** W3C traceparent of the delivery, where one is known. */
  readonly trace: string | null
}

/** A verified, identified delivery that asks for the claim. */
export interface ClaimRequest {
  readonly delivery: Delivery
  readonly identity: Identity
  readonly trace: string | null
}

export type ClaimAnswer =
  | { readonly _tag: "Claimed"; readonly claim: Claim }
  /** Claimed and completed in one commit: the delivery proved its facts by itself. */
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Quarantined" }
  | { readonly _tag: "Duplicate"; readonly state: DuplicateState }
  /** The first copy of a second body under a key: parked beside the first, and answered like a duplicate. */
  | { readonly _tag: "Conflict" }
  /** The transmission rule: this id and CRC came before with another body. */
  | { readonly _tag: "Forged" }

/** How an attempt failed; the store adds `delayMs` to the database's clock. */
export interface Failure {
  readonly kind: FailureKind
  readonly code: ErrorCode
  readonly delayMs: number
  /** Of an effect conflict: the facts in question. */
  readonly effectKeys?: ReadonlyArray<string>
}

/** Kinds of work that wait, each with a limit of its own, so that none holds up another. */
export type Lane = "rescue" | "retry" | "busy" | "unconfirmed"

/** An event whose worker died or whose next attempt is due, claimed anew. */
export interface DueEvent {
  readonly claim: Claim
  /** Out of custody, or why it cannot be had. */
  readonly body: Uint8Array | "no_custody" | "master_key_missing" | "custody_broken"
}

/** Where events live. Each call is one commit: state, log and billing facts together, hung on the fence. */
export class GateStore extends Context.Service<
  GateStore,
  {
    /**
     * Claims, re-claims or classifies; the body is in custody before this answers. A first delivery that proves its facts
     * by itself is completed in the same commit.
     */
    readonly claim: (request: ClaimRequest) => Effect.Effect<ClaimAnswer, StoreUnavailable>
    readonly complete: (
      claim: Claim,
      interpretation: Interpretation
    ) => Effect.Effect<void, AnswerOutdated | ClaimLost | EffectConflict | StoreRejected | StoreUnavailable>
    /** Resolves to what the event is now: waiting for its next attempt, or parked. */
    readonly fail: (
      claim: Claim,
      failure: Failure
    ) => Effect.Effect<"retry_scheduled" | "parked", ClaimLost | StoreUnavailable>
    /** Moves the lease on by its full length. */
    readonly renew: (claim: Claim) => Effect.Effect<void, ClaimLost | StoreUnavailable>
    /** Claims up to `limit` events of an endpoint that wait in this lane; any number of gates may ask at once. */
    readonly take: (
      endpoint: Endpoint,
      lane: Lane,
      limit: number
    ) => Effect.Effect<{ readonly due: ReadonlyArray<DueEvent>; readonly parked: number }, StoreUnavailable>
    /** Hands an event back unharmed, due at once. */
    readonly release: (claim: Claim) => Effect.Effect<void, ClaimLost | StoreUnavailable>
  }
>()("oncegate/domain/GateStore") {}
