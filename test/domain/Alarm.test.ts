import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Metric, References } from "effect"
import { TestClock } from "effect/testing"
import { AlarmLines, alarm } from "../../src/domain/Alarm.ts"

interface Line {
  readonly code: unknown
  readonly provider: unknown
  readonly held: unknown
}

const listening = () => {
  const lines: Array<Line> = []
  const logger = Logger.make<unknown, void>(({ fiber }) => {
    const { code, held_back, provider } = fiber.getRef(References.CurrentLogAnnotations)
    lines.push({ code, provider, held: held_back })
  })
  return { lines, layer: Logger.layer([logger]) }
}

const counted = (code: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics
      .filter(({ attributes, id }) => id === "oncegate_alarms_total" && attributes?.code === code)
      .reduce((sum, { state }) => sum + Number((state as { readonly count: number | bigint }).count), 0)
  )

describe("alarms", () => {
  it.effect(
    "a storm is one line a minute for each code and provider; the next says how many were held back",
    () => {
      const { layer, lines } = listening()
      const raise = (code: string, provider: string) => alarm(code, "look", { provider })
      return Effect.gen(function* () {
        yield* Effect.forEach(Array.from({ length: 1_000 }), () => raise("storm", "toss"), { discard: true })
        yield* raise("storm", "paypal")
        yield* raise("other", "toss")
        assert.deepStrictEqual(lines, [
          { code: "storm", provider: "toss", held: undefined },
          { code: "storm", provider: "paypal", held: undefined },
          { code: "other", provider: "toss", held: undefined }
        ])
        yield* TestClock.adjust("59 seconds")
        yield* raise("storm", "toss")
        assert.strictEqual(lines.length, 3)
        yield* TestClock.adjust("1 second")
        yield* raise("storm", "toss")
        assert.deepStrictEqual(lines.at(-1), { code: "storm", provider: "toss", held: 1_000 })
        yield* TestClock.adjust("1 minute")
        yield* raise("storm", "toss")
        assert.deepStrictEqual(lines.at(-1), { code: "storm", provider: "toss", held: undefined })
        assert.strictEqual(yield* counted("storm"), 1_004)
      }).pipe(Effect.provide(layer), Effect.provideService(AlarmLines, new Map()))
    }
  )

  it.effect("the provider may stand in the annotations around it", () => {
    const { layer, lines } = listening()
    return Effect.gen(function* () {
      for (const provider of ["toss", "toss", "paypal"])
        yield* Effect.annotateLogs(alarm("around", "look"), { provider })
      assert.deepStrictEqual(
        lines.map(({ provider }) => provider),
        ["toss", "paypal"]
      )
    }).pipe(Effect.provide(layer), Effect.provideService(AlarmLines, new Map()))
  })
})
