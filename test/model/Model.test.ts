import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, References } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { concurrentHistories, histories, type Round } from "../../src/testing/Step.ts"
import { migratedSchema } from "../support/Gate.ts"
import { unexplained } from "./explain.ts"
import { makeLookAside } from "./lookAside.ts"
import { openGate } from "./openGate.ts"
import { playReal } from "./RealWorld.ts"

/** How many histories of each kind; `ONCEGATE_MODEL_RUNS=20000` for a long look. */
const RUNS = Number(process.env.ONCEGATE_MODEL_RUNS ?? 400)

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

layer(Schema.layer, { excludeTestServices: true, timeout: "3 minutes" })(
  "the store does what the machine says",
  (it) => {
    let endpoints = 0

    const agrees = Effect.fnUntraced(function* (
      kind: Arbitrary.Arbitrary<ReadonlyArray<Round>>,
      lostReplies: number
    ) {
      const { sql, url } = yield* Schema
      const aside = yield* makeLookAside(sql)
      let lost = 0
      const open = openGate(url, { lostReplies, onLost: () => (lost += 1) })
      const gates = { A: yield* open, B: yield* open, C: yield* open }
      const stories = new WeakMap<ReadonlyArray<Round>, string>()
      let steps = 0
      const begun = performance.now()
      const holds = Effect.fnUntraced(function* (rounds: ReadonlyArray<Round>) {
        const transcript = yield* playReal(aside, gates, `m${endpoints++}`, rounds)
        steps += transcript.rounds.flatMap(({ heard }) => heard).filter(({ answer }) => answer !== "-").length
        const story = unexplained(transcript, lostReplies > 0)
        if (story !== undefined) stories.set(rounds, story)
        return story === undefined
      })
      const quiet = (rounds: ReadonlyArray<Round>) =>
        Effect.provideService(holds(rounds), References.MinimumLogLevel, "None")
      const result = yield* Arbitrary.checkEffect(kind, quiet, {
        runs: RUNS,
        size: 40,
        concurrency: 200,
        maxShrinks: 400,
        ...(process.env.ONCEGATE_MODEL_REPLAY === undefined
          ? {}
          : { replay: process.env.ONCEGATE_MODEL_REPLAY })
      })
      if (result._tag === "Falsified")
        assert.fail(
          `after ${result.runs} histories, ${result.shrinks} times shortened:\n\n${stories.get(result.shrunkInput) ?? stories.get(result.initialInput)}\n\nONCEGATE_MODEL_REPLAY='${result.replay}'`
        )
      assert.strictEqual(result._tag, "Passed", Arbitrary.formatCheckFailure(result))
      console.log(
        `${RUNS} histories, ${steps} steps, ${lost} lost replies in ${((performance.now() - begun) / 1000).toFixed(1)} s`
      )
      return { steps, lost }
    })

    describe("random histories at three gates: answers, rows and log", () => {
      it.effect("one step after the other", () => agrees(histories(24), 0), 600_000)

      it.effect(
        "up to three steps at the same moment: some order explains all of it",
        () => agrees(concurrentHistories(10), 0),
        600_000
      )

      it.effect(
        "with replies that are lost",
        () =>
          Effect.gen(function* () {
            const { lost } = yield* agrees(histories(24), 0.2)
            assert.isAbove(lost, RUNS / 20)
          }),
        600_000
      )
    })
  }
)
