import { Effect, Random, Schedule } from "effect"
import { alarm } from "./Alarm.ts"
import { type Claim, GateStore } from "./GateStore.ts"
import { backoffMs, Policy } from "./Policy.ts"
import type { ProcessFailed } from "./Provider.ts"

/** Records a failed attempt by its kind: parked at once, retried uncounted, or counted towards the limit. */
export const fail = Effect.fnUntraced(function* (
  claim: Claim,
  failure: ProcessFailed,
  effectKeys?: ReadonlyArray<string>
) {
  const store = yield* GateStore
  const policy = yield* Policy
  const delayMs = Math.max(
    backoffMs(policy, failure.code, claim.failures, yield* Random.next),
    Math.min(failure.retryAfterMs ?? 0, policy.backoffMaxMs)
  )
  const state = yield* store
    .fail(claim, {
      kind: failure.kind,
      code: failure.code,
      delayMs,
      ...(effectKeys === undefined ? {} : { effectKeys })
    })
    .pipe(
      Effect.retry({
        while: (error) => error._tag === "StoreUnavailable",
        schedule: Schedule.spaced(200).pipe(Schedule.jittered, Schedule.upTo({ duration: policy.leaseMs }))
      })
    )
  if (state === "parked")
    yield* alarm(failure.code, "an event was parked: only a person moves it on", {
      provider: claim.endpoint.name
    })
  return state
})
