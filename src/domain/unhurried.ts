import { Duration, Effect } from "effect"

/** So many times as long as a batch of upkeep took is the rest after it. */
export const RESTS = 3

/**
 * Runs a batch of upkeep, then rests three times as long as it took: webhooks have at least three quarters of the
 * machine, and wait for one batch at most.
 */
export const unhurried = <A, E, R>(batch: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const [took, result] = yield* Effect.timed(batch)
    yield* Effect.sleep(RESTS * Duration.toMillis(took))
    return result
  })
