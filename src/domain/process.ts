import { Effect } from "effect"
import { complete } from "./complete.ts"
import { failpoint } from "./Failpoint.ts"
import { fail } from "./fail.ts"
import { type Claim, GateStore } from "./GateStore.ts"
import { Policy } from "./Policy.ts"
import { ProcessFailed, type Provider } from "./Provider.ts"

/** What became of an attempt. `Lost`: another worker has the event, so nothing that happened here may be reported. */
export type Settled = "processed" | "retry_scheduled" | "parked" | "lost"

/** Renews the lease at every third of it; ends only when the claim is lost. A database out of reach is no proof of that. */
const heartbeat = Effect.fnUntraced(function* (claim: Claim) {
  const store = yield* GateStore
  const { leaseMs } = yield* Policy
  return yield* Effect.sleep(leaseMs / 3).pipe(
    Effect.andThen(store.renew(claim)),
    Effect.catchTag("StoreUnavailable", () => Effect.void),
    Effect.forever
  )
})

/**
 * Processes a claimed event and settles it: completed with its billing facts, or failed by kind. Work that takes long
 * keeps its lease; work whose claim is lost is interrupted.
 */
export const process = Effect.fnUntraced(function* (provider: Provider, claim: Claim, body: Uint8Array) {
  const work = failpoint("process.before").pipe(
    Effect.andThen(provider.interpret({ endpoint: claim.endpoint, dedupKey: claim.dedupKey, body })),
    Effect.tap(() => failpoint("process.after")),
    Effect.catchDefect(() => Effect.fail(ProcessFailed.of("event", "unexpected")))
  )
  return yield* Effect.raceFirst(work, heartbeat(claim)).pipe(
    Effect.flatMap((interpretation) => complete(claim, interpretation)),
    Effect.as("processed" as const),
    Effect.catchTag("ProcessFailed", (failure) => fail(claim, failure)),
    Effect.catchTag("StoreRejected", () => fail(claim, ProcessFailed.of("event", "unexpected"))),
    Effect.catchTag("AnswerOutdated", () => fail(claim, ProcessFailed.of("world", "not_visible_yet"))),
    Effect.catchTag("EffectConflict", ({ effectKeys }) =>
      fail(claim, ProcessFailed.of("permanent", "effect_conflict"), effectKeys)
    ),
    Effect.catchTag("ClaimLost", () =>
      Effect.as(
        Effect.logWarning("the claim was lost to another worker").pipe(
          Effect.annotateLogs({
            event: "WEBHOOK_CLAIM_LOST",
            provider: claim.endpoint.name,
            fence: claim.fence
          })
        ),
        "lost" as const
      )
    )
  )
})
