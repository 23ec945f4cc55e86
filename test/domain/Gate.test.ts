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
  type Limits,
  unseen
} from "../../src/domain/Gate.ts"
import { GateEvent, isChange } from "../../src/domain/GateEvent.ts"

const limits: Limits = { maxAttempts: 3, redeliveryIntervalMs: 1_000 }
const delivery: GateCommand = {
  _tag: "Claim",
  by: "delivery",
  limits,
  leaseUntil: null,
  requestHash: null,
  eventType: "X"
}
const byGate: GateCommand = { ...delivery, by: "gate" }
const complete = (fence: number): GateCommand => ({
  _tag: "Complete",
  fence: Fence.make(fence),
  effects: [],
  eventType: "X",
  note: null
})
const fail = (fence: number, kind: "permanent" | "world" | "event" = "event"): GateCommand => ({
  _tag: "Fail",
  fence: Fence.make(fence),
  kind,
  code: "unexpected",
  limits,
  delayMs: 5_000
})

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
    const live: GateCommand = { ...delivery, leaseUntil: 10 }
    const states = [
      through([delivery, 0]),
      through([delivery, 0], [complete(1), 0]),
      through([delivery, 0], [fail(1), 0]),
      through([delivery, 0], [fail(1, "permanent"), 0])
    ]
    for (const state of states)
      assert.deepStrictEqual(when(state, live, 5), { events: ["DuplicateSeen"], state })
    assert.deepStrictEqual(states.map(duplicateState), ["processing", "done", "retry_scheduled", "parked"])
  })

  it("re-claims a failed event for a later delivery, at most once an interval (AC4)", () => {
    const failed = through([delivery, 0], [fail(1), 100])
    assert.deepInclude(when(failed, delivery, 1_099), { events: ["DuplicateSeen"] })
    assert.deepInclude(when(failed, delivery, 1_100), { events: ["Reclaimed"] })
    assert.strictEqual(when(failed, byGate, 1_100), "NotApplicable")
    assert.deepInclude(when(failed, byGate, 5_100), { events: ["Reclaimed"] })
  })

  it("counts an expired lease as an attempt, and parks when they are spent", () => {
    const expired: GateCommand = { ...byGate, leaseUntil: 10 }
    const first = through([delivery, 0])
    assert.strictEqual(when(first, expired, 9), "NotApplicable")
    const third = through([delivery, 0], [expired, 10], [expired, 20])
    assert.deepInclude(third, { attempts: 2, fence: Fence.make(3) })
    assert.deepInclude(when(third, expired, 30), { events: ["Parked"] })
  })

  it("does not count failures of the world, nor those of redeliveries", () => {
    let state = through([delivery, 0])
    for (let fence = 1; fence < 50; fence += 1) {
      const failed = when(state, fail(fence, "world"), fence * 10_000)
      assert.deepInclude(failed, { events: ["Failed"] })
      state = (
        when((failed as { state: GateState }).state, byGate, fence * 10_000 + 5_000) as { state: GateState }
      ).state
    }
    assert.deepInclude(state, { attempts: 0, failures: 49 })
    const redelivered = through([delivery, 0], [fail(1, "world"), 0], [delivery, 2_000])
    assert.deepInclude(redelivered, { because: "redelivered" })
    assert.deepInclude((when(redelivered, fail(2)) as { state: GateState }).state, { attempts: 0 })
  })

  it("starts anew after a re-drive, and only a person moves what is parked", () => {
    const parked = through([delivery, 0], [fail(1, "permanent"), 0])
    assert.strictEqual(when(parked, byGate, 1e15), "NotApplicable")
    const redriven = through(
      [delivery, 0],
      [fail(1, "permanent"), 0],
      [{ _tag: "Redrive", by: "ann", reason: "mended" }, 50]
    )
    assert.deepInclude(redriven, { _tag: "Failed", attempts: 0, failures: 0, nextAttemptAt: 50 })
    assert.deepInclude((when(redriven, byGate, 50) as { state: GateState }).state, {
      because: "redriven",
      fence: Fence.make(2)
    })
  })

  it("is fenced: a worker that lost its claim changes nothing", () => {
    const taken = through([delivery, 0], [{ ...byGate, leaseUntil: 10 }, 10])
    for (const late of [complete(1), fail(1), { _tag: "Renew", fence: Fence.make(1) } as const])
      assert.strictEqual(when(taken, late), "FencedOff")
    assert.deepInclude(when(taken, complete(2)), { events: ["Completed"] })
  })
})

describe("laws of the machine", () => {
  const commands = Schema.Array(
    Schema.Struct({
      kind: Schema.Literals([
        "claim",
        "take",
        "renew",
        "complete",
        "fail",
        "world",
        "permanent",
        "release",
        "redrive",
        "dismiss"
      ]),
      fence: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })),
      wait: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4_000 }))
    })
  )
  const commandOf = (kind: string, fence: number, leaseUntil: number | null): GateCommand => {
    const held = { fence: Fence.make(fence) }
    switch (kind) {
      case "claim":
        return { ...delivery, leaseUntil } as GateCommand
      case "take":
        return { ...byGate, leaseUntil } as GateCommand
      case "renew":
        return { _tag: "Renew", ...held }
      case "complete":
        return complete(fence)
      case "release":
        return { _tag: "Release", ...held }
      case "redrive":
      case "dismiss":
        return { _tag: kind === "redrive" ? "Redrive" : "Dismiss", by: "ann", reason: "because" }
      default:
        return fail(fence, kind === "fail" ? "event" : (kind as "world" | "permanent"))
    }
  }

  it.prop(
    "done is final, fences only rise, and a fold of the log is the state",
    [Arbitrary.schema(commands)],
    ([steps]) => {
      let state: GateState = unseen
      let now = 0
      let lease: number | null = null
      const log: Array<GateEvent> = []
      for (const { fence, kind, wait } of steps) {
        now += wait
        const decision = decide(state, commandOf(kind, fence, lease), now)
        if (Result.isFailure(decision)) continue
        const events = decision.success
        const next: GateState = events.reduce(evolve, state)
        if (state._tag === "Done") assert.deepStrictEqual(next, state)
        if (state._tag !== "Unseen" && next._tag !== "Unseen") {
          const step = next.fence - state.fence
          const claimed = events.some(({ _tag }) => _tag === "Reclaimed")
          assert.strictEqual(step, claimed ? 1 : 0)
        }
        assert.isAtMost(events.filter(isChange).length, 1)
        if (next._tag === "Processing" && events.some(isChange)) lease = now + 2_000
        log.push(...events)
        state = next
      }
      assert.deepStrictEqual(log.reduce(evolve, unseen), state)
      return true
    }
  )

  it.prop("events survive the log: encoded, decoded, the same", [Arbitrary.schema(GateEvent)], ([event]) => {
    const encode = (one: GateEvent) => JSON.stringify(Schema.encodeSync(GateEvent)(one))
    const stored = encode(event)
    // compared as stored: JSON knows no negative zero
    assert.strictEqual(encode(Schema.decodeUnknownSync(GateEvent)(JSON.parse(stored))), stored)
    return true
  })
})
