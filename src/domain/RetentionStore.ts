import { Context, type Effect } from "effect"
import type { StoreUnavailable } from "./GateStore.ts"

/** What a batch of a sweep did; `more`: there may be more to do at once. */
export interface Swept {
  readonly deleted: number
  readonly more: boolean
}

/** What retention may do; each call is one small commit, and any number of gates may ask at once. */
export class RetentionStore extends Context.Service<
  RetentionStore,
  {
    /** Bodies of events that are done for so long. `factless`: also of those that booked nothing. Milliseconds. */
    readonly bodies: (afterMs: number, factless: boolean) => Effect.Effect<Swept, StoreUnavailable>
    /** Dismisses, with an event in the log, what its provider's API did not know for so long. */
    readonly unconfirmed: (afterMs: number) => Effect.Effect<Swept, StoreUnavailable>
    /** Rows of done events, with whatever body is left of them. */
    readonly keys: (afterMs: number) => Effect.Effect<Swept, StoreUnavailable>
    readonly transmissions: (afterMs: number) => Effect.Effect<Swept, StoreUnavailable>
    /** The oldest partition of the log, where it is published, old, and of no open event; `deleted` counts partitions. */
    readonly log: (afterMs: number) => Effect.Effect<Swept, StoreUnavailable>
    /** Makes sure that the log has room ahead. */
    readonly extend: Effect.Effect<void, StoreUnavailable>
  }
>()("oncegate/domain/RetentionStore") {}
