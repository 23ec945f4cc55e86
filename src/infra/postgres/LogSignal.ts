import { Context, Effect, Latch, Layer } from "effect"

/**
 * Wakes the relay of the same process when something was committed to the log; without it the relay polls. Cheap to
 * raise: any number of raises before the relay looks are one.
 */
export class LogSignal extends Context.Service<
  LogSignal,
  {
    readonly raise: () => void
    /** Completes at once if raised since the last wait, else at the next raise. */
    readonly wait: Effect.Effect<void>
  }
>()("oncegate/infra/LogSignal") {}

export const layer = Layer.effect(
  LogSignal,
  Effect.gen(function* () {
    const latch = yield* Latch.make(false)
    return LogSignal.of({
      raise: () => latch.openUnsafe(),
      wait: Effect.tap(latch.await, () => latch.close)
    })
  })
)
