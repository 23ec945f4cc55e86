import { Context, type Effect, Schema } from "effect"
import type { EventDetail, EventPage } from "./EventView.ts"
import { EventState, OpenState } from "./EventView.ts"
import type { GateStatus } from "./GateStatus.ts"
import type { StoreUnavailable } from "./GateStore.ts"

/** Why a person acts: stands in the log for ever. One line; no customer's data belong into it. */
export const Reason = Schema.String.check(
  Schema.isPattern(/^(?=.*\S)[^\p{Cc}\p{Cs}]{1,500}$/u, {
    expected: "a reason of one line, 1 to 500 characters"
  })
)
/** Who acts. */
export const Actor = Schema.String.check(
  Schema.isPattern(/^(?=.*\S)[^\p{Cc}\p{Cs}]{1,100}$/u, {
    expected: "a name of one line, 1 to 100 characters"
  })
)

/** An act of a person: every one is an event in the log, in the commit of the change it made. */
export interface Act {
  readonly by: string
  readonly reason: string
}

/** An event by its name. Any text: rows of the earlier gate know no rule for theirs. */
export interface EventName {
  readonly endpoint: string
  readonly dedupKey: string
}

/** Which events a list shows. */
export const ListFilter = Schema.Struct({
  state: Schema.optionalKey(EventState),
  endpoint: Schema.optionalKey(Schema.String),
  code: Schema.optionalKey(Schema.String),
  /** First seen at or after. */
  since: Schema.optionalKey(Schema.Date)
})
export type ListFilter = typeof ListFilter.Type

export const MAX_PAGE = 500

/** Which events a bulk act is about. */
export interface OpenFilter {
  readonly state: OpenState
  readonly endpoint?: string
  readonly code?: string
  readonly since?: Date
}

/** How many events of one kind a filter finds. */
export const FoundCount = Schema.Struct({
  endpoint: Schema.String,
  state: OpenState,
  error_code: Schema.NullOr(Schema.String),
  count: Schema.Int
}).annotate({ identifier: "FoundCount" })
export type FoundCount = typeof FoundCount.Type

/** What one bounded run of a bulk act did. */
export interface Redriven {
  readonly redriven: number
  /** Found, but moved on by somebody else before this run came to them. */
  readonly skipped: number
  /** Where the next run goes on; null where this was the last. */
  readonly cursor: string | null
}

export class EventMissing extends Schema.TaggedError<EventMissing>()("EventMissing", {
  endpoint: Schema.String,
  dedupKey: Schema.String
}) {
  override get message() {
    return `there is no event ${this.dedupKey} at endpoint ${this.endpoint}`
  }
}

/** The state of the event does not allow the act. */
export class ActRefused extends Schema.TaggedError<ActRefused>()("ActRefused", {
  act: Schema.Literals(["redrive", "dismiss"]),
  state: Schema.Literals(["done", "processing"])
}) {
  override get message() {
    return this.state === "done"
      ? `a done event is final: ${this.act} is refused`
      : `the event is being processed: ${this.act} is refused until that ends, look again in a moment`
  }
}

/** A cursor that this gate did not hand out. */
export class CursorInvalid extends Schema.TaggedError<CursorInvalid>()("CursorInvalid", {}) {
  override get message() {
    return "the cursor is none of this gate's"
  }
}

/** What people see of events and do with them. */
export class Events extends Context.Service<
  Events,
  {
    /** Newest first, at most `limit` (1 to `MAX_PAGE`). Complete and without repeats, whatever arrives meanwhile. */
    readonly list: (
      filter: ListFilter,
      page: { readonly limit: number; readonly cursor?: string }
    ) => Effect.Effect<EventPage, CursorInvalid | StoreUnavailable>
    readonly show: (name: EventName) => Effect.Effect<EventDetail, EventMissing | StoreUnavailable>
    /** Failed or parked: due at once, with its counts at 0. */
    readonly redrive: (
      name: EventName,
      act: Act
    ) => Effect.Effect<void, EventMissing | ActRefused | StoreUnavailable>
    /** How many events a bulk act would be about, by endpoint and code. Changes nothing. */
    readonly count: (filter: OpenFilter) => Effect.Effect<ReadonlyArray<FoundCount>, StoreUnavailable>
    /**
     * Re-drives a bounded number of events, in key order from `cursor` on, each batch in a commit of its own. Each event
     * is met once in a walk from cursor to cursor, even where it fails again behind it.
     */
    readonly redriveMany: (
      filter: OpenFilter,
      act: Act,
      cursor?: string
    ) => Effect.Effect<Redriven, CursorInvalid | StoreUnavailable>
    /** Failed or parked: done, and nothing is booked. */
    readonly dismiss: (
      name: EventName,
      act: Act
    ) => Effect.Effect<void, EventMissing | ActRefused | StoreUnavailable>
    readonly status: Effect.Effect<GateStatus, StoreUnavailable>
    /** Claims of the last minutes by endpoint, and how many of them the provider's API does not know. */
    readonly recentClaims: Effect.Effect<
      ReadonlyArray<{ readonly endpoint: string; readonly claims: number; readonly unconfirmed: number }>,
      StoreUnavailable
    >
  }
>()("oncegate/domain/Events") {}
