import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Fence } from "../../src/domain/Fence.ts"
import {
  decide,
  duplicateState,
  evolve,
  type GateCommand,
  type GateState,
  unseen
} from "../../src/domain/Gate.ts"
import { GateEvent } from "../../src/domain/GateEvent.ts"
import { completed, delivered, failed, taken } from "../../src/testing/commands.ts"

const delivery = delivered()
const byGate = taken()

/** given a state / when a command at a time / then this state, or the rejection's name. */
const when = (state: GateState, command: GateCommand, now = 0) => {
  const decision = decide(state, command, now)
  return Result.isFailure(decision)
    ? decision.failure._tag
    : { events: decision.success.map(({ _tag }) => _tag), state: decision.success.reduce(evolve, state) }
}
const through = (...steps: ReadonlyArray<readonly [GateCommand, number]>) =>
  steps.reduce<GateState>((state, [command, now]) => {
    const result = when(state, command, now)
    assert.isObject(result, `${command._tag} at ${now} was refused: ${String(result)}`)
    return (result as { state: GateState }).state
  }, unseen)

describe("the state machine", () => {
  it("gives the first delivery the claim, under fence 1", () => {
    assert.deepStrictEqual(when(unseen, delivery), {
      events: ["Claimed"],
      state: {
        _tag: "Processing",
        fence: Fence.make(1),
        attempts: 0,
        failures: 0,
        claimedAt: 0,
        because: "first"
      }
    })
  })

  it("notes a duplicate, whatever the state, and changes nothing", () => {
    const live = delivered(10)
    const states = [
      through([delivery, 0]),
      through([delivery, 0], [completed(1), 0]),
      through([delivery, 0], [failed(1), 0]),
      through([delivery, 0], [failed(1, "permanent"), 0])
    ]
    for (const state of states)
      assert.deepStrictEqual(when(state, live, 5), { events: ["DuplicateSeen"], state })
    assert.deepStrictEqual(states.map(duplicateState), ["processing", "done", "retry_scheduled", "parked"])
  })

  it("re-claims a failed event for a later delivery, at most once an interval (AC4)", () => {
    const waiting = through([delivery, 0], [failed(1), 100])
    assert.deepInclude(when(waiting, delivery, 1_099), { events: ["DuplicateSeen"] })
    assert.deepInclude(when(waiting, delivery, 1_100), { events: ["Reclaimed"] })
    assert.strictEqual(when(waiting, byGate, 1_100), "NotApplicable")
    assert.deepInclude(when(waiting, byGate, 5_100), { events: ["Reclaimed"] })
  })

  it("counts an expired lease as an attempt, and parks when they are spent", () => {
    const expired = taken(10)
    const first = through([delivery, 0])
    assert.strictEqual(when(first, expired, 9), "NotApplicable")
    const third = through([delivery, 0], [expired, 10], [expired, 20])
    assert.deepInclude(third, { attempts: 2, fence: Fence.make(3) })
    assert.deepInclude(when(third, expired, 30), { events: ["Parked"] })
  })

  it("does not count failures of the world, nor those of redeliveries", () => {
    let state = through([delivery, 0])
    for (let fence = 1; fence < 50; fence += 1) {
      const outcome = when(state, failed(fence, "world"), fence * 10_000)
      assert.deepInclude(outcome, { events: ["Failed"] })
      state = (
        when((outcome as { state: GateState }).state, byGate, fence * 10_000 + 5_000) as { state: GateState }
      ).state
    }
    assert.deepInclude(state, { attempts: 0, failures: 49 })
    const redelivered = through([delivery, 0], [failed(1, "world"), 0], [delivery, 2_000])
    assert.deepInclude(redelivered, { because: "redelivered" })
    assert.deepInclude((when(redelivered, failed(2)) as { state: GateState }).state, { attempts: 0 })
  })

  it("starts anew after a re-drive, and only a person moves what is parked", () => {
    const parked = through([delivery, 0], [failed(1, "permanent"), 0])
    assert.strictEqual(when(parked, byGate, 1e15), "NotApplicable")
    const redriven = through(
      [delivery, 0],
      [failed(1, "permanent"), 0],
      [{ _tag: "Redrive", by: "ann", reason: "mended" }, 50]
    )
    assert.deepInclude(redriven, { _tag: "Failed", attempts: 0, failures: 0, nextAttemptAt: 50 })
    assert.deepInclude((when(redriven, byGate, 50) as { state: GateState }).state, {
      because: "redriven",
      fence: Fence.make(2)
    })
  })

  it("is fenced: a worker that lost its claim changes nothing", () => {
    const lost = through([delivery, 0], [taken(10), 10])
    for (const late of [completed(1), failed(1), { _tag: "Renew", fence: Fence.make(1) } as const])
      assert.strictEqual(when(lost, late), "FencedOff")
    assert.deepInclude(when(lost, completed(2)), { events: ["Completed"] })
  })
})

describe("the log", () => {
  it.prop("events survive the log: encoded, decoded, the same", [Arbitrary.schema(GateEvent)], ([event]) => {
    const encode = (one: GateEvent) => JSON.stringify(Schema.encodeSync(GateEvent)(one))
    const stored = encode(event)
    // compared as stored: JSON knows no negative zero
    assert.strictEqual(encode(Schema.decodeUnknownSync(GateEvent)(JSON.parse(stored))), stored)
    return true
  })
})
