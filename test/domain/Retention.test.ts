import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { round } from "../../src/domain/Retention.ts"
import { RetentionStore } from "../../src/domain/RetentionStore.ts"

describe("a round of retention", () => {
  it.effect("rests after each batch three times as long as that took, and for its pause at least", () =>
    Effect.gen(function* () {
      const begun: Array<number> = []
      const nothing = Effect.succeed({ deleted: 0, more: false })
      const took = [400, 5, 5]
      const store = RetentionStore.of({
        bodies: (_, factless) =>
          factless
            ? nothing
            : Effect.gen(function* () {
                const ms = took[begun.length]!
                begun.push(yield* Clock.currentTimeMillis)
                yield* Effect.sleep(ms)
                return { deleted: 500, more: begun.length < took.length }
              }),
        unconfirmed: () => nothing,
        keys: () => nothing,
        transmissions: () => nothing,
        log: () => nothing,
        extend: Effect.void
      })
      const options = { payloadRetentionMs: 1, keyRetentionMs: 1, everyMs: 1, pauseMs: 25 }
      const fiber = yield* Effect.forkChild(Effect.provideService(round(options), RetentionStore, store))
      yield* TestClock.adjust(2_000)
      assert.strictEqual((yield* Fiber.join(fiber)).bodies, 1_500)
      assert.deepStrictEqual(begun, [0, 1_600, 1_630])
    })
  )
})
