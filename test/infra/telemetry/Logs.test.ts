import { assert, it } from "@effect/vitest"
import { Cause, Effect } from "effect"
import * as Logs from "../../../src/infra/telemetry/Logs.ts"

const SENTINEL = "SENTINEL_4111111111111111"

/** An error that tells everything everywhere, as drivers do. */
const talkative = () =>
  Object.assign(new TypeError(`first ${SENTINEL}\nsecond ${SENTINEL}`, { cause: new Error(SENTINEL) }), {
    code: "ECONNRESET",
    detail: SENTINEL,
    parameters: [SENTINEL]
  })

it.live.each(["json", "pretty"] as const)(
  "%s: an error is told by class, code and place, and nothing else of it",
  (format) =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const copied: Array<string> = []
      yield* Effect.gen(function* () {
        for (const cause of [
          Cause.fail(talkative()),
          Cause.die(talkative()),
          Cause.fail({ _tag: "Tagged", body: SENTINEL, code: `no code: ${SENTINEL}` }),
          Cause.die(SENTINEL)
        ])
          yield* Effect.logError("a fault", cause)
        yield* Effect.logError("a fault", talkative())
        yield* Effect.logError({ body: SENTINEL })
        // The lines of one turn of the loop leave at its end.
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }).pipe(
        Effect.provide(
          Logs.layer({
            format,
            level: "Trace",
            write: (text) => void written.push(text),
            copy: (text) => void copied.push(text)
          })
        )
      )
      for (const text of [written.join(""), copied.join("")]) {
        assert.include(text, "TypeError")
        assert.include(text, "ECONNRESET")
        assert.include(text, "Logs.test.ts")
        assert.notInclude(text, "SENTINEL")
        assert.notInclude(text, "41111111")
      }
    })
)
