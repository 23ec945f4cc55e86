import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DedupKey } from "../../../src/domain/DedupKey.ts"
import { EndpointName } from "../../../src/domain/Endpoint.ts"
import { Policy } from "../../../src/domain/Policy.ts"
import { ProcessFailed, type Provider } from "../../../src/domain/Provider.ts"
import { guarded } from "../../../src/infra/providers/Guarded.ts"

const policy = { leaseMs: 30_000, maxAttempts: 10, backoffBaseMs: 1_000, backoffMaxMs: 3_600_000 }
const endpoint = { name: EndpointName.make("toss"), kind: "toss", environment: "simulated" } as const
const event = { endpoint, dedupKey: DedupKey.make("tx_1"), body: new Uint8Array() }

/** A provider whose API answers as `answer` says now; how often it was asked. */
const given = Effect.fnUntraced(function* (answer: () => ProcessFailed | "ok") {
  let asked = 0
  const provider: Provider = {
    endpoint,
    aliases: [],
    identify: () => Effect.die("not asked"),
    interpret: () =>
      Effect.suspend(() => {
        asked += 1
        const now = answer()
        return now === "ok" ? Effect.succeed({ eventType: null, facts: [], note: null }) : Effect.fail(now)
      })
  }
  return { provider: yield* guarded(provider), asked: () => asked }
})
const tell = (provider: Provider) =>
  Effect.match(provider.interpret(event), {
    onSuccess: () => "ok",
    onFailure: ({ code, kind }) => `${kind} ${code}`
  })

it.effect("an API that fails five times in a row is left alone, then tried by one event", () =>
  Effect.gen(function* () {
    let answer: ProcessFailed | "ok" = ProcessFailed.of("world", "provider_unavailable")
    const { asked, provider } = yield* given(() => answer)
    for (let time = 0; time < 100; time += 1)
      assert.strictEqual(yield* tell(provider), "world provider_unavailable")
    assert.strictEqual(asked(), 5)
    answer = "ok"
    yield* TestClock.adjust("2 minutes")
    assert.strictEqual(yield* tell(provider), "ok")
    assert.strictEqual(yield* tell(provider), "ok")
    assert.strictEqual(asked(), 7)
  }).pipe(Effect.provideService(Policy, policy))
)

it.effect("events that the API does not know, or that are at fault themselves, do not trip it", () =>
  Effect.gen(function* () {
    const answers = [
      ProcessFailed.of("world", "unconfirmed"),
      ProcessFailed.of("world", "not_visible_yet"),
      ProcessFailed.of("permanent", "uninterpretable")
    ]
    let turn = 0
    const { asked, provider } = yield* given(() => answers[turn++ % 3]!)
    yield* Effect.forEach(Array.from({ length: 60 }), () => tell(provider))
    assert.strictEqual(asked(), 60)
    // Nor one after the other of the same kind.
    for (const answer of answers) {
      const alike = yield* given(() => answer)
      yield* Effect.forEach(Array.from({ length: 20 }), () => tell(alike.provider))
      assert.strictEqual(alike.asked(), 20, answer.code)
    }
  }).pipe(Effect.provideService(Policy, policy))
)

it.effect("events that were put off without a question are no sign that the API works", () =>
  Effect.gen(function* () {
    let turn = 0
    const { asked, provider } = yield* given(() =>
      ProcessFailed.of("world", turn++ % 2 === 0 ? "provider_unavailable" : "provider_busy")
    )
    yield* Effect.forEach(Array.from({ length: 60 }), () => tell(provider))
    assert.strictEqual(asked(), 9)
  }).pipe(Effect.provideService(Policy, policy))
)

it.effect("an API that asks for time gets it: Retry-After is how long it is left alone", () =>
  Effect.gen(function* () {
    const { asked, provider } = yield* given(() =>
      ProcessFailed.of("world", "provider_rate_limited", 600_000)
    )
    yield* Effect.forEach(Array.from({ length: 10 }), () => tell(provider))
    const put = yield* Effect.forkChild(Effect.flip(provider.interpret(event)))
    assert.isAbove((yield* Fiber.join(put)).retryAfterMs ?? 0, 500_000)
    yield* TestClock.adjust("5 minutes")
    yield* tell(provider)
    assert.strictEqual(asked(), 5)
  }).pipe(Effect.provideService(Policy, policy))
)
