import { Clock, Effect } from "effect"

/** Times that a batch took: so long is the rest after one that writes, which those who post feel most. */
export const WRITING = 3

/**
 * Runs a batch of upkeep, then rests for as long as it took, or that many times: webhooks have at least half of the
 * machine, and wait for one batch at most.
 */
export const unhurried = <A, E, R>(batch: Effect.Effect<A, E, R>, rests = 1) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const result = yield* batch
    yield* Effect.sleep(rests * ((yield* Clock.currentTimeMillis) - begun))
    return result
  })
