import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { DedupKey } from "../../src/domain/DedupKey.ts"
import { EndpointName } from "../../src/domain/Endpoint.ts"
import { Fence } from "../../src/domain/Fence.ts"
import {
  AnswerOutdated,
  type Claim,
  ClaimLost,
  type Failure,
  GateStore,
  StoreUnavailable
} from "../../src/domain/GateStore.ts"
import { Policy } from "../../src/domain/Policy.ts"
import { type Interpretation, ProcessFailed, type Provider } from "../../src/domain/Provider.ts"
import { process } from "../../src/domain/process.ts"
import * as Workers from "../../src/domain/Workers.ts"

const LEASE_MS = 3_000
const endpoint = { name: EndpointName.make("toss"), kind: "toss", environment: "simulated" } as const
const claim: Claim = {
  endpoint,
  dedupKey: DedupKey.make("ev_1"),
  fence: Fence.make(1),
  because: "first",
  failures: 0,
  trace: null
}
const nothing: Interpretation = { eventType: null, facts: [], note: "unmapped" }
const away = new StoreUnavailable({ code: "08006" })
const providerThat = (interpret: Effect.Effect<Interpretation, ProcessFailed>): Provider => ({
  endpoint,
  aliases: [],
  identify: () => Effect.die("not asked"),
  interpret: () => interpret
})

/** A store that remembers what it was told, and answers as it is bid. */
const given = (
  answers: {
    readonly renew?: Effect.Effect<void, ClaimLost | StoreUnavailable>
    readonly complete?: Effect.Effect<void, AnswerOutdated | StoreUnavailable>
  } = {}
) => {
  const told = { renewedAt: [] as Array<number>, completed: 0, failures: [] as Array<Failure>, released: 0 }
  const layer = Layer.merge(
    Layer.mock(GateStore, {
      renew: () =>
        Effect.flatMap(Clock.currentTimeMillis, (at) => {
          told.renewedAt.push(at)
          return answers.renew ?? Effect.void
        }),
      complete: () =>
        Effect.tap(answers.complete ?? Effect.void, () =>
          Effect.sync(() => {
            told.completed += 1
          })
        ),
      fail: (_, failure) =>
        Effect.sync(() => {
          told.failures.push(failure)
          return "retry_scheduled" as const
        }),
      release: () =>
        Effect.sync(() => {
          told.released += 1
        })
    }),
    Layer.succeed(Policy, { leaseMs: LEASE_MS, maxAttempts: 3, backoffBaseMs: 100, backoffMaxMs: 1_000 })
  )
  return { told, layer }
}
const long = Effect.as(Effect.sleep(10 * LEASE_MS), nothing)

describe("an attempt", () => {
  it.effect("that takes ten leases keeps its claim: it is renewed before each of them ends", () => {
    const { layer, told } = given()
    return Effect.gen(function* () {
      const working = yield* Effect.forkChild(process(providerThat(long), claim, new Uint8Array()))
      yield* TestClock.adjust(10 * LEASE_MS)
      assert.strictEqual(yield* Fiber.join(working), "processed")
      const moments = [0, ...told.renewedAt, 10 * LEASE_MS]
      for (const [index, at] of moments.slice(1).entries()) assert.isBelow(at - moments[index]!, LEASE_MS)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that lost its claim is interrupted, and neither completes nor fails the event", () => {
    const { layer, told } = given({ renew: Effect.fail(new ClaimLost()) })
    let finished = false
    const work = Effect.tap(long, () =>
      Effect.sync(() => {
        finished = true
      })
    )
    return Effect.gen(function* () {
      const working = yield* Effect.forkChild(process(providerThat(work), claim, new Uint8Array()))
      yield* TestClock.adjust(LEASE_MS)
      assert.strictEqual(yield* Fiber.join(working), "lost")
      yield* TestClock.adjust(20 * LEASE_MS)
      assert.isFalse(finished)
      assert.deepStrictEqual([told.completed, told.failures], [0, []])
    }).pipe(Effect.provide(layer))
  })

  it.effect("whose lease cannot be renewed for an outage works on: that is no proof of a loss", () => {
    const { layer, told } = given({ renew: Effect.fail(away) })
    return Effect.gen(function* () {
      const working = yield* Effect.forkChild(process(providerThat(long), claim, new Uint8Array()))
      yield* TestClock.adjust(10 * LEASE_MS)
      assert.strictEqual(yield* Fiber.join(working), "processed")
      assert.strictEqual(told.completed, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("whose adapter breaks is a failure of the event, recorded as one", () => {
    const { layer, told } = given()
    return Effect.gen(function* () {
      const broken = providerThat(Effect.die(new TypeError("a fault of the adapter")))
      assert.strictEqual(yield* process(broken, claim, new Uint8Array()), "retry_scheduled")
      assert.deepStrictEqual(
        told.failures.map(({ code, kind }) => [kind, code]),
        [["event", "unexpected"]]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect("whose answer may be older than what is booked is put off, uncounted, to ask again", () => {
    const { layer, told } = given({ complete: Effect.fail(new AnswerOutdated()) })
    return Effect.gen(function* () {
      const asked = providerThat(Effect.succeed(nothing))
      assert.strictEqual(yield* process(asked, claim, new Uint8Array()), "retry_scheduled")
      assert.deepStrictEqual(
        told.failures.map(({ code, kind }) => [kind, code]),
        [["world", "not_visible_yet"]]
      )
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "that the provider put off waits as long as it asked, and no longer than our longest pause",
    () => {
      const { layer, told } = given()
      return Effect.gen(function* () {
        for (const retryAfterMs of [900, 86_400_000]) {
          const asked = Effect.fail(ProcessFailed.of("world", "provider_rate_limited", retryAfterMs))
          yield* process(providerThat(asked), claim, new Uint8Array())
        }
        assert.deepStrictEqual(
          told.failures.map(({ delayMs }) => delayMs),
          [900, 1_000]
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("keeps its result through an outage of the database shorter than a lease", () => {
    let left = 5
    const { layer, told } = given({
      complete: Effect.suspend(() => (left-- > 0 ? Effect.fail(away) : Effect.void))
    })
    return Effect.gen(function* () {
      const working = yield* Effect.forkChild(
        process(providerThat(Effect.succeed(nothing)), claim, new Uint8Array())
      )
      yield* TestClock.adjust(LEASE_MS)
      assert.strictEqual(yield* Fiber.join(working), "processed")
      assert.strictEqual(told.completed, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that shutdown finds at work is handed back, not left to its lease", () => {
    const { layer, told } = given()
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const services = yield* Layer.buildWithScope(
        Workers.layer({ drainMs: 1_000 }).pipe(Layer.provideMerge(layer)),
        scope
      )
      const { start } = yield* Effect.provideContext(Workers.Workers, services)
      start(providerThat(Effect.never), claim, new Uint8Array())
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(2_000)
      yield* Fiber.join(closing)
      assert.deepStrictEqual([told.released, told.completed], [1, 0])
    })
  })
})
