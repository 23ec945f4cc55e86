import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type Horizon, nothing, step } from "../../src/domain/Audit.ts"
import { GateEvent } from "../../src/domain/GateEvent.ts"
import { reader, upcast } from "../../src/domain/upcast.ts"

interface Released {
  readonly streams: ReadonlyArray<{
    readonly what: string
    readonly end: {
      readonly status: string
      readonly version: number
      readonly fence: number
      readonly attempts: number
      readonly failures: number
      readonly errorCode: string | null
      readonly facts: ReadonlyArray<string>
    }
    readonly log: ReadonlyArray<{
      readonly version: number
      readonly type: string
      readonly type_version: number
      readonly data: Readonly<Record<string, unknown>>
    }>
  }>
}

const folder = fileURLToPath(new URL("./released", import.meta.url))
const load = (file: string) => JSON.parse(readFileSync(path.join(folder, file), "utf8")) as Released
const files = readdirSync(folder).filter((file) => file.endsWith(".json"))
const NEVER = Number.NEGATIVE_INFINITY
const untouched: Horizon = { log: NEVER, keys: NEVER, bodies: NEVER, bodiesWithoutFact: NEVER }

describe("the log of every released version", () => {
  it("is kept", () => assert.include(files, "v1.json"))

  it("v1 holds every type of event", () => {
    const types = load("v1.json").streams.flatMap(({ log }) => log.map(({ type }) => type))
    assert.sameMembers([...new Set(types)], Object.keys(GateEvent.cases))
  })

  for (const file of files)
    for (const { end, log, what } of load(file).streams)
      it(`${file}: ${what}`, () => {
        const fold = log.reduce(
          (before, { data, type, type_version, version }, position) =>
            step(before, { position, version, type, typeVersion: type_version, data, at: 0 }, untouched),
          nothing
        )
        const facts = log.flatMap(({ data, type, type_version }) => {
          const event = Result.getOrThrow(upcast(type, type_version, data))
          return event._tag === "BillingEventRecorded" ? [event.fact.effect_key as string] : []
        })
        const { errorCode, state, version } = fold
        assert.deepStrictEqual(fold.differences, [])
        assert.notStrictEqual(state._tag, "Unseen")
        if (state._tag === "Unseen") return
        const { _tag: status, attempts, failures, fence } = state
        assert.deepEqual({ status, version, fence, attempts, failures, errorCode, facts }, end)
      })
})

describe("upcast", () => {
  const data = { fence: 1, attempts: 0, failures: 0, code: "unexpected", next_attempt_at: 1, failed_at: 0 }

  it("leads an old shape through every version up to today's", () => {
    const read = reader({
      Failed: {
        1: ({ error, ...rest }) => ({ ...rest, reason: error }),
        2: ({ reason, ...rest }) => ({ ...rest, code: reason })
      }
    })
    const { code, ...rest } = data
    for (const [version, old] of [
      [1, { ...rest, error: code }],
      [2, { ...rest, reason: code }],
      [3, data]
    ] as const)
      assert.deepInclude(Result.getOrThrow(read("Failed", version, old)), {
        _tag: "Failed",
        code: "unexpected"
      })
  })

  it("says of a later version that it is one, and of what it cannot read that it cannot", () => {
    const failure = (type: string, version: number, of: unknown) => {
      const result = upcast(type, version, of)
      return Result.isFailure(result) ? result.failure.newer : undefined
    }
    assert.isUndefined(failure("Failed", 1, data))
    assert.isTrue(failure("Failed", 2, data))
    assert.isFalse(failure("Failed", 1, { ...data, code: "no such code" }))
    assert.isFalse(failure("Failed", 0, data))
    assert.isFalse(failure("NoSuchType", 1, data))
    assert.isFalse(failure("Failed", 1, null))
  })
})
