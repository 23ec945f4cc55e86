import { Effect, Schedule } from "effect"
import { type Claim, GateStore } from "./GateStore.ts"
import { Policy } from "./Policy.ts"
import type { Interpretation } from "./Provider.ts"

/**
 * Books the facts and ends the event in one commit that hangs on the fence. While the database is away the result is
 * kept and offered again for as long as a lease lasts: after that a rescuer has the event anyway.
 */
export const complete = Effect.fnUntraced(function* (claim: Claim, interpretation: Interpretation) {
  const store = yield* GateStore
  const { leaseMs } = yield* Policy
  yield* store.complete(claim, interpretation).pipe(
    Effect.retry({
      while: (error) => error._tag === "StoreUnavailable",
      schedule: Schedule.spaced(200).pipe(Schedule.jittered, Schedule.upTo({ duration: leaseMs }))
    })
  )
})
