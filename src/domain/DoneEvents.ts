import { Context, type Effect } from "effect"
import type { Endpoint } from "./Endpoint.ts"
import type { Act } from "./Events.ts"
import type { StoreUnavailable } from "./GateStore.ts"
import type { Event, Interpretation } from "./Provider.ts"

/** A done event that booked nothing, out of custody. */
export interface DoneEvent {
  readonly event: Event
  /** Changes of state it has seen: a booking that finds another number books nothing. */
  readonly version: number
  /** When it was read, by the store's clock: what a provider is asked after that is no older. */
  readonly readAt: Date
}

export interface DonePage {
  readonly events: ReadonlyArray<DoneEvent>
  /** Found, but their bodies cannot be opened: key missing, or damaged. */
  readonly sealed: number
  readonly cursor: string | null
}

/**
 * `nothing_new`: every fact is booked already, or there is none. `conflict`: booked with another amount. `changed`: somebody
 * else acted on the event, or another one told of the same thing, since it was read.
 */
export type Booked = "booked" | "nothing_new" | "conflict" | "changed"

/** Done events whose type made no fact when they were processed, for a mapping that was added later. */
export class DoneEvents extends Context.Service<
  DoneEvents,
  {
    /** Oldest first, a bounded number; goes on where the cursor ends. */
    readonly page: (
      endpoint: Endpoint,
      filter: { readonly eventType: string; readonly since: Date },
      cursor?: string
    ) => Effect.Effect<DonePage, StoreUnavailable>
    /** Which of the facts are new. Changes nothing. */
    readonly wouldBook: (
      event: DoneEvent,
      interpretation: Interpretation
    ) => Effect.Effect<Booked, StoreUnavailable>
    /** Books the facts whose effect keys are new, in one commit with `Reinterpreted`. */
    readonly book: (
      event: DoneEvent,
      interpretation: Interpretation,
      act: Act
    ) => Effect.Effect<Booked, StoreUnavailable>
  }
>()("oncegate/domain/DoneEvents") {}
