import { Schema } from "effect"

/** Rises by one at every claim and re-claim of an event; every later transition must present it. */
export const Fence = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)).pipe(Schema.brand("Fence"))
export type Fence = typeof Fence.Type
