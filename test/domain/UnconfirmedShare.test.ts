import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { Events } from "../../src/domain/Events.ts"
import { StoreUnavailable } from "../../src/domain/GateStore.ts"
import * as UnconfirmedShare from "../../src/domain/UnconfirmedShare.ts"

describe("the share of unconfirmed claims", () => {
  it.effect("is an alarm when it passes a fifth of enough claims, once until it falls", () => {
    const raised: Array<unknown> = []
    const logger = Logger.make<unknown, void>(({ fiber }) => {
      const { code, provider, unconfirmed } = fiber.getRef(References.CurrentLogAnnotations)
      raised.push([code, provider, unconfirmed])
    })
    let recent: ReadonlyArray<UnconfirmedShare.RecentClaims> | "away" = []
    const look = (...rows: ReadonlyArray<readonly [claims: number, unconfirmed: number]>) => {
      recent = rows.map(([claims, unconfirmed]) => ({ endpoint: "toss", claims, unconfirmed }))
      return TestClock.adjust(1_000)
    }
    const events = Layer.mock(Events, {
      recentClaims: Effect.suspend(() =>
        recent === "away" ? Effect.fail(new StoreUnavailable({ code: "57P01" })) : Effect.succeed(recent)
      )
    })
    return Effect.gen(function* () {
      yield* look([19, 19]) // too few to say anything
      yield* look([100, 20]) // exactly a fifth
      assert.deepStrictEqual(raised, [])
      yield* look([100, 21])
      yield* look([200, 150])
      recent = "away"
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(raised, [["unconfirmed_share", "toss", 21]])
      yield* look([100, 3])
      yield* look([20, 5])
      assert.strictEqual(raised.length, 2)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(raised.length, 4) // it lasts: again every hour
    }).pipe(
      Effect.provide(UnconfirmedShare.layer({ everyMs: 1_000 }).pipe(Layer.provide(events))),
      Effect.provide(Logger.layer([logger]))
    )
  })
})
