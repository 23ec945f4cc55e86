import { Clock, Effect } from "effect"

/** Runs a batch of upkeep, then rests for as long as it took: webhooks have at least half of the machine. */
export const unhurried = <A, E, R>(batch: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const result = yield* batch
    yield* Effect.sleep((yield* Clock.currentTimeMillis) - begun)
    return result
  })
