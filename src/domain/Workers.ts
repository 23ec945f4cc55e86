import { Context, Effect, Fiber, Layer } from "effect"
import type { EndpointName } from "./Endpoint.ts"
import { type Claim, GateStore, type StoreUnavailable } from "./GateStore.ts"
import type { Policy } from "./Policy.ts"
import type { Provider } from "./Provider.ts"
import { process, type Settled } from "./process.ts"

/**
 * Runs claimed events, apart from the requests that brought them: a client that hangs up stops nothing. At shutdown
 * the work in flight is finished within a limit; what is left is handed back unharmed.
 */
export class Workers extends Context.Service<
  Workers,
  {
    readonly start: (
      provider: Provider,
      claim: Claim,
      body: Uint8Array
    ) => Fiber.Fiber<Settled, StoreUnavailable>
    /** Events of this endpoint at work. */
    readonly inFlight: (endpoint: EndpointName) => number
  }
>()("oncegate/domain/Workers") {}

export const layer = (options: { readonly drainMs: number }) =>
  Layer.effect(
    Workers,
    Effect.gen(function* () {
      const store = yield* GateStore
      const context = yield* Effect.context<GateStore | Policy>()
      let closing = false
      const running = new Set<Fiber.Fiber<Settled, StoreUnavailable>>()
      const inFlight = new Map<EndpointName, number>()
      const count = (endpoint: EndpointName, by: number) =>
        inFlight.set(endpoint, (inFlight.get(endpoint) ?? 0) + by)
      const fork = Effect.runForkWith(context)

      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          closing = true
          yield* Effect.forEach([...running], (fiber) => Fiber.await(fiber), {
            concurrency: "unbounded",
            discard: true
          }).pipe(Effect.timeoutOption(options.drainMs))
          yield* Fiber.interruptAll([...running])
        })
      )
      return Workers.of({
        start: (provider, claim, body) => {
          const fiber = fork(
            // A claim that came through while the last work was awaited is handed back at once.
            (closing ? Effect.interrupt : process(provider, claim, body)).pipe(
              Effect.onInterrupt(() => Effect.ignore(store.release(claim))),
              Effect.annotateLogs({ provider: claim.endpoint.name })
            )
          )
          running.add(fiber)
          count(claim.endpoint.name, 1)
          fiber.addObserver(() => {
            running.delete(fiber)
            count(claim.endpoint.name, -1)
          })
          return fiber
        },
        inFlight: (endpoint) => inFlight.get(endpoint) ?? 0
      })
    })
  )
