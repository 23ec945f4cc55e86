import { Context, Effect, Layer } from "effect"
import { type ProvidersUnderTest, startGate, startProviders } from "./Gate.ts"

/** One simulator for a file of tests. */
export class Providers extends Context.Service<Providers, ProvidersUnderTest>()("test/Providers") {
  static readonly layer = Layer.effect(Providers, startProviders)
}

/** One simulator and one gate for a file; each test has its own events. */
export class House extends Context.Service<
  House,
  { readonly providers: ProvidersUnderTest; readonly gate: Effect.Success<ReturnType<typeof startGate>> }
>()("test/House") {}

export const house = (options: Parameters<typeof startGate>[1] = {}) =>
  Layer.effect(
    House,
    Effect.gen(function* () {
      const providers = yield* startProviders
      return { providers, gate: yield* startGate(providers, options) }
    })
  )

/** How the simulated APIs misbehave from now on; `{}` ends it. */
export const setFaults = (origin: string, faults: object) =>
  Effect.promise(() => fetch(`${origin}/_simulator/faults`, { method: "PUT", body: JSON.stringify(faults) }))
