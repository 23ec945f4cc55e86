import { appendFileSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type FailpointName, names } from "../../src/domain/Failpoint.ts"
import { Providers } from "../support/House.ts"
import { type Action, strike } from "./strike.ts"

const actions: ReadonlyArray<Action> = ["kill", "throw", "delay", "stop"]
/** `npm run faults` takes every step and every action; `npm test` those that tell the most. */
const cases: ReadonlyArray<readonly [FailpointName, Action]> =
  process.env.ONCEGATE_FAULTS === "all"
    ? names.flatMap((name) => actions.map((action) => [name, action] as const))
    : [
        ["claim.after", "kill"],
        ["process.after", "stop"],
        ["complete.after", "kill"],
        ["take.after", "kill"],
        ["relay.sent", "kill"],
        ["relay.committed", "throw"]
      ]

layer(Providers.layer, { excludeTestServices: true, timeout: "3 minutes" })("a fault at one step", (it) => {
  it.effect.each(cases)(
    "%s: %s",
    ([failpoint, action]) =>
      Effect.gen(function* () {
        const struck = yield* strike(yield* Providers, failpoint, action).pipe(Effect.scoped)
        const report = process.env.ONCEGATE_FAULTS_REPORT
        if (report !== undefined) appendFileSync(report, `${JSON.stringify(struck)}\n`)
        assert.isTrue(struck.hasStruck, "the failpoint was passed")
        assert.isAbove(struck.acked, 10)
        assert.deepInclude(struck, { lost: [], doubled: 0, invented: [], open: 0, audit: "clean" })
      }),
    120_000
  )
})
