import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { EndpointName } from "../../src/domain/Endpoint.ts"
import { GateStore, type Lane } from "../../src/domain/GateStore.ts"
import { Policy } from "../../src/domain/Policy.ts"
import { type Provider, Providers } from "../../src/domain/Provider.ts"
import * as Rescuer from "../../src/domain/Rescuer.ts"
import { Workers } from "../../src/domain/Workers.ts"

const endpoint = { name: EndpointName.make("paypal"), kind: "paypal", environment: "simulated" } as const
const provider: Provider = {
  endpoint,
  aliases: [],
  identify: () => Effect.die("not asked"),
  interpret: () => Effect.die("not asked")
}
const PLACES = 16

/** When each lane looked, where as many looks as there are times found a lane full, and took so long. */
const looksOf = Effect.fnUntraced(function* (took: ReadonlyArray<number>, ms: number) {
  const looks: Record<Lane, Array<number>> = { rescue: [], retry: [], busy: [], unconfirmed: [] }
  const store = Layer.mock(GateStore, {
    take: (_, lane, limit) =>
      Effect.gen(function* () {
        const takes = took[looks[lane].length]
        looks[lane].push(yield* Clock.currentTimeMillis)
        yield* Effect.sleep(takes ?? 0)
        return { due: [], parked: takes === undefined ? 0 : limit }
      })
  })
  const workers = Layer.mock(Workers, {
    start: () => Effect.runFork(Effect.die("not asked")),
    inFlight: () => 0
  })
  const places = { rescue: PLACES, retry: PLACES, busy: PLACES, unconfirmed: PLACES }
  yield* Layer.build(
    Rescuer.layer({ pollMs: 500, concurrency: places }).pipe(
      Layer.provide(
        Layer.mergeAll(
          store,
          workers,
          Layer.succeed(Providers, new Map([["paypal", provider]])),
          Layer.succeed(Policy, { leaseMs: 3_000, maxAttempts: 3, backoffBaseMs: 100, backoffMaxMs: 1_000 })
        )
      )
    )
  )
  // A take is not interrupted: should one still be under way at the end, it ends first.
  yield* Effect.addFinalizer(() => TestClock.adjust(1_000))
  yield* TestClock.adjust(ms)
  return looks
})

describe("a lane where more waits than it takes", () => {
  it.effect(
    "is looked at again at once for dead workers, and after a rest that grows with the load for failures",
    () =>
      Effect.gen(function* () {
        const { busy, rescue, retry } = yield* looksOf([100, 4, 4], 700)
        assert.deepStrictEqual(rescue.slice(0, 4), [0, 100, 104, 108])
        assert.deepStrictEqual(retry.slice(0, 4), [0, 400, 429, 458])
        assert.deepStrictEqual(busy.slice(0, 4), [0, 400, 429, 458])
      })
  )

  it.effect("has a pace of its own for what no API knows", () =>
    Effect.gen(function* () {
      const { unconfirmed } = yield* looksOf([0, 0, 0], 1_000)
      assert.isAtMost(unconfirmed.length, 6)
      assert.isAtLeast(unconfirmed[1]!, 187)
    })
  )
})
