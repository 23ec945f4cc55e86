import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Fence } from "../../src/domain/Fence.ts"
import type { GateState } from "../../src/domain/Gate.ts"
import { gate, Laws, type Machine } from "../../src/testing/index.ts"

describe("laws of the machine", () => {
  for (const law of Laws.all) it.effect(law.name, () => Laws.check(law))
})

/** The machine with its decisions changed. */
const deciding = (change: (decide: Machine["decide"]) => Machine["decide"]): Machine => ({
  ...gate,
  decide: change(gate.decide)
})
/** The machine with its states changed. */
const evolving = (change: (before: GateState, after: GateState) => GateState): Machine => ({
  ...gate,
  evolve: (state, event) => change(state, gate.evolve(state, event))
})

const broken: ReadonlyArray<
  readonly [what: string, law: Laws.Law, machine: Machine, told: ReadonlyArray<string>]
> = [
  [
    "does not look at fences",
    Laws.oldFencesChangeNothing,
    deciding(
      (decide) => (state, command, now) =>
        decide(
          state,
          "fence" in command && state._tag !== "Unseen" ? { ...command, fence: state.fence } : command,
          now
        )
    ),
    ["is delivered to gate", "claimed under fence 2", "under fence 1"]
  ],
  [
    "claims what is done",
    Laws.doneIsFinal,
    deciding(
      (decide) => (state, command, now) =>
        state._tag === "Done" && command._tag === "Claim"
          ? decide(
              { ...state, _tag: "Failed", code: "unexpected", nextAttemptAt: 0, failedAt: 0 },
              command,
              now
            )
          : decide(state, command, now)
    ),
    ["now: a Done", "claimed under fence 2"]
  ],
  [
    "books what is done once more",
    Laws.completedOnce,
    deciding(
      (decide) => (state, command, now) =>
        state._tag === "Done" && command._tag === "Complete"
          ? decide({ ...state, _tag: "Processing", claimedAt: 0, because: "first" }, command, now)
          : decide(state, command, now)
    ),
    ["completes"]
  ],
  [
    "keeps the fence at a re-claim",
    Laws.fencesOnlyRise,
    evolving((before, after) =>
      before._tag !== "Unseen" && after._tag === "Processing" ? { ...after, fence: before.fence } : after
    ),
    ["Reclaimed"]
  ],
  [
    "forgets its fence when an event is parked",
    Laws.replayGivesTheState,
    {
      ...gate,
      // the state depends on more than the log: on how often it was looked at
      evolve: (() => {
        let looked = 0
        return (state, event) => {
          const after = gate.evolve(state, event)
          looked += 1
          return after._tag === "Parked" && looked % 2 === 0 ? { ...after, fence: Fence.make(9) } : after
        }
      })()
    },
    ["Parked"]
  ],
  [
    "counts an outage as an attempt",
    Laws.outagesAreNotCounted,
    deciding(
      (decide) => (state, command, now) =>
        decide(state, command._tag === "Fail" ? { ...command, kind: "event" } : command, now)
    ),
    ["gate B fails a under fence 1", "attempts 1"]
  ],
  [
    "goes on after its last attempt",
    Laws.attemptsAreBounded,
    deciding(
      (decide) => (state, command, now) =>
        decide(
          state,
          "limits" in command ? { ...command, limits: { ...command.limits, maxAttempts: 99 } } : command,
          now
        )
    ),
    ["attempts 3"]
  ],
  [
    "takes up what is parked",
    Laws.parkedWaits,
    deciding(
      (decide) => (state, command, now) =>
        state._tag === "Parked" && command._tag === "Claim"
          ? decide({ ...state, _tag: "Failed", nextAttemptAt: 0, failedAt: 0 }, command, now)
          : decide(state, command, now)
    ),
    ["parked", "claimed under fence 2"]
  ]
]

describe("a machine that breaks a law is told as a short story", () => {
  for (const [what, law, machine, told] of broken)
    it.effect(`one that ${what}`, () =>
      Effect.gen(function* () {
        const result = yield* Effect.result(Laws.check(law, machine, { seed: 5 }))
        if (Result.isSuccess(result)) return assert.fail("was not caught")
        const { message, story } = result.failure
        assert.include(message, `${law.name}: broken, `)
        assert.include(message, "replay: ")
        for (const words of told) assert.include(story, words)
        const happened = story.split("\n").filter((line) => /^ {0,2}\d+:\d\d {2}/.test(line))
        assert.isAtMost(happened.length, 9, story)
        assert.match(happened[0]!, /is delivered to gate|a body/)
      })
    )
})
