import { Cause, Duration, Effect, Exit, Option, Schedule, Stream } from "effect"
import { CircuitBreaker } from "effect/persistence"
import { alarm } from "../../domain/Alarm.ts"
import { Policy } from "../../domain/Policy.ts"
import { ProcessFailed, type Provider } from "../../domain/Provider.ts"

/** Failures in a row after which the provider's API is left alone for a while. */
const TRIPS_AT = 5

/** What says that the API is out of order, and not that this event is. */
const OF_THE_API: ReadonlySet<string> = new Set([
  "provider_unavailable",
  "provider_rate_limited",
  "provider_unauthorized"
])

/** What the API asked for (`Retry-After`) is how long it is left alone. */
const classify = <A>(exit: Exit.Exit<A, ProcessFailed>): CircuitBreaker.Outcome => {
  if (Exit.isSuccess(exit)) return CircuitBreaker.success
  if (Cause.hasInterruptsOnly(exit.cause)) return CircuitBreaker.ignored
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error?.code === "provider_busy") return CircuitBreaker.ignored // it was not asked
  return error !== undefined && OF_THE_API.has(error.code)
    ? CircuitBreaker.failure(error.retryAfterMs === undefined ? {} : { retryAfter: error.retryAfterMs })
    : CircuitBreaker.success
}

/**
 * Lets a provider's API rest when it fails again and again: events are put off until it is tried again, by one of them,
 * and there is one alarm instead of one for each. Interpretation that asks no API needs no guard.
 */
export const guarded = Effect.fnUntraced(function* (provider: Provider) {
  const { backoffBaseMs } = yield* Policy
  const { environment, kind, name } = provider.endpoint
  const breaker = yield* CircuitBreaker.make({
    tripPolicy: CircuitBreaker.consecutive(TRIPS_AT),
    openDuration: Schedule.min([Schedule.exponential(backoffBaseMs * 2), Schedule.spaced(backoffBaseMs * 60)])
  }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory()))
  yield* breaker.transitions.pipe(
    Stream.runForEach(({ from, to }) =>
      from === "Closed" && to === "Open"
        ? alarm("provider_api_down", "the provider's API fails again and again: its events wait", {
            provider: name
          })
        : to === "Closed"
          ? Effect.annotateLogs(Effect.logInfo("the provider's API answers again"), {
              event: "PROVIDER_API_UP",
              provider: name
            })
          : Effect.void
    ),
    Effect.forkScoped
  )
  const key = `${name}/${kind}/${environment}`
  return {
    ...provider,
    interpret: (event) =>
      provider.interpret(event).pipe(
        breaker.execute({ key, classify }),
        Effect.catchTag("CircuitBreakerError", ({ reason }) =>
          Effect.fail(
            ProcessFailed.of(
              "world",
              "provider_unavailable",
              reason._tag === "CircuitOpen" ? Duration.toMillis(reason.retryAfter) : backoffBaseMs
            )
          )
        )
      )
  } satisfies Provider
})
