import { Context, Duration, Effect, Layer, Random, Schedule } from "effect"
import { alarm } from "./Alarm.ts"
import { fail } from "./fail.ts"
import { type Claim, type DueEvent, GateStore, type Lane } from "./GateStore.ts"
import { ProcessFailed, type Provider, Providers } from "./Provider.ts"
import { RESTS } from "./unhurried.ts"
import { Workers } from "./Workers.ts"

export interface RescuerOptions {
  /** Between two looks when there was nothing to do, milliseconds. */
  readonly pollMs: number
  /** Events at work at once for each endpoint and lane. */
  readonly concurrency: Readonly<Record<Lane, number>>
}

/** Of what failed, so many are taken at once at most: whoever posts meanwhile waits for these. */
const AT_ONCE = 8

const lanes: ReadonlyArray<Lane> = ["rescue", "retry", "busy", "unconfirmed"]

type Want = Exclude<DueEvent["body"], Uint8Array>

/** What cannot be processed for want of its body fails by the kind of the want; parking alarms by itself. */
const settleBodiless = (claim: Claim, want: Want) =>
  fail(claim, ProcessFailed.of(want === "master_key_missing" ? "world" : "permanent", want)).pipe(
    Effect.andThen((state) =>
      state === "parked"
        ? Effect.void
        : alarm(want, "an event waits: the master key of its body is not configured", {
            provider: claim.endpoint.name
          })
    ),
    Effect.ignore
  )

/**
 * Brings what waits to its end, in every instance and without a leader: events whose worker died, failures that are
 * due, and those that the provider's API does not know yet. Each endpoint and lane has places of its own, so that one
 * slow provider or one kind of work holds up no other.
 */
export class Rescuer extends Context.Service<Rescuer, { readonly lanes: number }>()(
  "oncegate/domain/Rescuer"
) {}

export const layer = (options: RescuerOptions) =>
  Layer.effect(
    Rescuer,
    Effect.gen(function* () {
      const store = yield* GateStore
      const workers = yield* Workers
      const providers = yield* Providers

      const tend = Effect.fnUntraced(function* (provider: Provider, lane: Lane) {
        const places = options.concurrency[lane]
        let busy = 0
        // Not to be interrupted: what was taken must be begun, or nobody would hand it back at shutdown.
        const takeAndBegin = (wanted: number) =>
          Effect.uninterruptible(
            Effect.gen(function* () {
              const taken = yield* store.take(provider.endpoint, lane, wanted)
              for (const { body, claim } of taken.due) {
                if (typeof body === "string") yield* settleBodiless(claim, body)
                else {
                  busy += 1
                  workers.start(provider, claim, body).addObserver(() => {
                    busy -= 1
                  })
                }
              }
              return taken
            })
          )
        const look = Effect.gen(function* () {
          if (busy >= places) return yield* Effect.sleep(options.pollMs / 10)
          const wanted = lane === "rescue" ? places - busy : Math.min(places - busy, AT_ONCE)
          const [took, { due, parked }] = yield* Effect.timed(takeAndBegin(wanted))
          if (parked > 0)
            yield* alarm("attempts_exhausted", "events were parked: their attempts are spent", {
              provider: provider.endpoint.name,
              count: parked
            })
          // A full take says that there is more. Whose worker died is looked for again at once; what failed gives way to
          // those who post, by a rest that grows with the load. What no API knows has a pace of its own, few at a time: a
          // flood of forgeries must not have the provider's API to itself.
          const isPaced = lane === "unconfirmed"
          if (isPaced || due.length + parked < wanted)
            yield* Effect.sleep((options.pollMs / (isPaced ? 2 : 1)) * (0.75 + (yield* Random.next) / 2))
          else if (lane !== "rescue")
            yield* Effect.sleep(
              Math.min(options.pollMs, Math.max(options.pollMs / 20, RESTS * Duration.toMillis(took)))
            )
        })
        return yield* look.pipe(
          Effect.catchTag("StoreUnavailable", () => Effect.sleep(options.pollMs)),
          Effect.catchDefect(() =>
            Effect.andThen(
              alarm("rescue_fault", "looking for waiting events failed unexpectedly"),
              Effect.sleep(options.pollMs)
            )
          ),
          Effect.repeat(Schedule.forever)
        )
      })

      const distinct = [...new Set(providers.values())]
      for (const provider of distinct)
        for (const lane of lanes) yield* Effect.forkScoped(tend(provider, lane))
      return { lanes: distinct.length * lanes.length }
    })
  )
