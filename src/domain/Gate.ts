import { Result, Schema } from "effect"
import type { EffectKey } from "./EffectKey.ts"
import type { ErrorCode, FailureKind } from "./ErrorCode.ts"
import { Fence } from "./Fence.ts"
import { type DuplicateState, GateEvent, type ReclaimReason } from "./GateEvent.ts"
import type { RequestHash } from "./RequestHash.ts"

/** What every state but `Unseen` holds. Times are milliseconds on the database's clock. */
interface Standing {
  readonly fence: Fence
  /** Counted attempts that failed since the last re-drive: at the limit the event is parked. */
  readonly attempts: number
  /** All failures since the last re-drive, counted or not: the backoff grows with them. */
  readonly failures: number
}

/** The state of one event at the gate; docs/state-machine.md draws it. */
export type GateState =
  | { readonly _tag: "Unseen" }
  | (Standing & {
      readonly _tag: "Processing"
      readonly claimedAt: number
      readonly because: ReclaimReason | "first"
    })
  | (Standing & {
      readonly _tag: "Failed"
      readonly code: ErrorCode
      readonly nextAttemptAt: number
      readonly failedAt: number
    })
  | (Standing & { readonly _tag: "Parked"; readonly code: ErrorCode })
  | (Standing & { readonly _tag: "Done" })

export const unseen: GateState = { _tag: "Unseen" }

/** Limits that a decision depends on; the same values are given to the statements of the store. */
export interface Limits {
  /** Counted attempts after which an event is parked. */
  readonly maxAttempts: number
  /** Between two re-claims of a failed event by redeliveries, milliseconds. */
  readonly redeliveryIntervalMs: number
}

export type GateCommand =
  /** A delivery asks for the claim, or the retry loop or rescuer does (`by: "gate"`). */
  | {
      readonly _tag: "Claim"
      readonly by: "delivery" | "gate"
      readonly limits: Limits
      /** End of the present lease: heartbeats move it without an event, so the log does not know it. */
      readonly leaseUntil: number | null
      readonly requestHash: RequestHash | null
      readonly eventType: string | null
    }
  | { readonly _tag: "Renew"; readonly fence: Fence }
  | {
      readonly _tag: "Complete"
      readonly fence: Fence
      readonly effects: ReadonlyArray<EffectKey>
      readonly eventType: string | null
      readonly note: string | null
    }
  | {
      readonly _tag: "Fail"
      readonly fence: Fence
      readonly kind: FailureKind
      readonly code: ErrorCode
      readonly limits: Limits
      /** Backoff before the next attempt. */
      readonly delayMs: number
    }
  | { readonly _tag: "Release"; readonly fence: Fence }
  | { readonly _tag: "Redrive"; readonly by: string; readonly reason: string }
  | { readonly _tag: "Dismiss"; readonly by: string; readonly reason: string }

/** The command's fence is not the state's: another worker has the claim, or had it last. Nothing changes. */
export class FencedOff extends Schema.TaggedError<FencedOff>()("FencedOff", {}) {}
/** `Done` is final. */
export class AlreadyDone extends Schema.TaggedError<AlreadyDone>()("AlreadyDone", {}) {}
/** There is nothing here that this command could act on now. */
export class NotApplicable extends Schema.TaggedError<NotApplicable>()("NotApplicable", {}) {}
export type Rejection = FencedOff | AlreadyDone | NotApplicable

type Decision = Result.Result<ReadonlyArray<GateEvent>, Rejection>
const one = (event: GateEvent): Decision => Result.succeed([event])
const reject = (rejection: Rejection): Decision => Result.fail(rejection)

const standingOf = (state: Standing) => ({
  fence: state.fence,
  attempts: state.attempts,
  failures: state.failures
})

/** What a duplicate of an event in this state is told. */
export const duplicateState = (state: GateState): DuplicateState => {
  switch (state._tag) {
    case "Unseen":
    case "Processing":
      return "processing"
    case "Done":
      return "done"
    case "Failed":
      return state.code === "unconfirmed" ? "unconfirmed" : "retry_scheduled"
    case "Parked":
      return state.code === "payload_mismatch"
        ? "conflict"
        : state.code === "not_json_object"
          ? "quarantined"
          : "parked"
  }
}

const claim = (state: GateState, command: GateCommand & { _tag: "Claim" }, now: number): Decision => {
  const taken = (because: ReclaimReason, from: Standing, attempts = from.attempts) =>
    one(
      GateEvent.cases.Reclaimed.make({
        ...standingOf(from),
        fence: Fence.make(from.fence + 1),
        attempts,
        because,
        claimed_at: now
      })
    )
  const duplicate = () =>
    command.by === "delivery"
      ? one(GateEvent.cases.DuplicateSeen.make({ state: duplicateState(state), count: 1 }))
      : reject(state._tag === "Done" ? new AlreadyDone() : new NotApplicable())

  switch (state._tag) {
    case "Unseen":
      return command.by === "gate"
        ? reject(new NotApplicable())
        : one(
            GateEvent.cases.Claimed.make({
              fence: Fence.make(1),
              attempts: 0,
              failures: 0,
              request_hash: command.requestHash,
              event_type: command.eventType,
              claimed_at: now
            })
          )
    case "Processing": {
      if (command.leaseUntil !== null && command.leaseUntil > now) return duplicate()
      // The process died with it, or stalled past its lease: an attempt like any other that failed.
      const attempts = state.attempts + 1
      return attempts >= command.limits.maxAttempts
        ? one(
            GateEvent.cases.Parked.make({
              ...standingOf(state),
              attempts,
              failures: state.failures + 1,
              code: "attempts_exhausted"
            })
          )
        : one(
            GateEvent.cases.Reclaimed.make({
              fence: Fence.make(state.fence + 1),
              attempts,
              failures: state.failures + 1,
              because: "lease_expired",
              claimed_at: now
            })
          )
    }
    case "Failed":
      if (state.nextAttemptAt <= now) return taken(state.code === "redriven" ? "redriven" : "failed", state)
      // The earlier gate's rule: a later delivery re-claims a failed event. Once per interval, so that a storm of
      // copies is no storm of attempts.
      return command.by === "delivery" && state.failedAt + command.limits.redeliveryIntervalMs <= now
        ? taken("redelivered", state)
        : duplicate()
    case "Parked":
    case "Done":
      return duplicate()
  }
}

/** The events that a command makes of a state, or why it makes none. Pure: `now` is the database's time. */
export const decide = (state: GateState, command: GateCommand, now: number): Decision => {
  if (command._tag === "Claim") return claim(state, command, now)
  if (state._tag === "Unseen") return reject(new NotApplicable())
  if (state._tag === "Done") return reject(new AlreadyDone())

  if (command._tag === "Redrive") {
    return state._tag === "Processing"
      ? reject(new NotApplicable())
      : one(
          GateEvent.cases.Redriven.make({
            fence: state.fence,
            attempts: 0,
            failures: 0,
            next_attempt_at: now,
            by: command.by,
            reason: command.reason
          })
        )
  }
  if (command._tag === "Dismiss") {
    return state._tag === "Processing"
      ? reject(new NotApplicable())
      : one(GateEvent.cases.Dismissed.make({ ...standingOf(state), by: command.by, reason: command.reason }))
  }

  // The rest are a worker's: only the holder of the fence may speak.
  if (state._tag !== "Processing" || state.fence !== command.fence) return reject(new FencedOff())
  switch (command._tag) {
    case "Renew":
      return Result.succeed([])
    case "Complete":
      return one(
        GateEvent.cases.Completed.make({
          ...standingOf(state),
          event_type: command.eventType,
          note: command.note,
          effects: command.effects
        })
      )
    case "Release":
      return one(
        GateEvent.cases.Released.make({ ...standingOf(state), next_attempt_at: now, failed_at: now })
      )
    case "Fail": {
      const counted = command.kind === "event" && state.because !== "redelivered"
      const after = {
        fence: state.fence,
        attempts: state.attempts + (counted ? 1 : 0),
        failures: state.failures + 1
      }
      return command.kind === "permanent" || (counted && after.attempts >= command.limits.maxAttempts)
        ? one(GateEvent.cases.Parked.make({ ...after, code: command.code }))
        : one(
            GateEvent.cases.Failed.make({
              ...after,
              code: command.code,
              next_attempt_at: now + command.delayMs,
              failed_at: now
            })
          )
    }
  }
}

/** The state after an event. Notes change nothing. */
export const evolve = (state: GateState, event: GateEvent): GateState => {
  switch (event._tag) {
    case "Claimed":
      return { _tag: "Processing", ...standingOf(event), claimedAt: event.claimed_at, because: "first" }
    case "Reclaimed":
      return { _tag: "Processing", ...standingOf(event), claimedAt: event.claimed_at, because: event.because }
    case "Completed":
    case "Dismissed":
    case "Reinterpreted":
      return { _tag: "Done", ...standingOf(event) }
    case "Failed":
      return {
        _tag: "Failed",
        ...standingOf(event),
        code: event.code,
        nextAttemptAt: event.next_attempt_at,
        failedAt: event.failed_at
      }
    case "Released":
      return {
        _tag: "Failed",
        ...standingOf(event),
        code: "shutdown",
        nextAttemptAt: event.next_attempt_at,
        failedAt: event.failed_at
      }
    case "Redriven":
      return {
        _tag: "Failed",
        ...standingOf(event),
        code: "redriven",
        nextAttemptAt: event.next_attempt_at,
        failedAt: event.next_attempt_at
      }
    case "Parked":
      return { _tag: "Parked", ...standingOf(event), code: event.code }
    case "Quarantined":
      return { _tag: "Parked", ...standingOf(event), code: "not_json_object" }
    default:
      return state
  }
}
