import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { evolve, type GateState, unseen } from "../../src/domain/Gate.ts"
import { type GateEvent, isChange } from "../../src/domain/GateEvent.ts"
import { eventIds, histories } from "../../src/testing/Step.ts"
import { play } from "../../src/testing/Trail.ts"
import {
  assignments,
  type LogRow,
  leftOut,
  modelled,
  replayed,
  transition,
  unmodelled
} from "./transitions.ts"

/** The changes of state of a log that one event after the other evolves. */
const changesOf = (log: ReadonlyArray<GateEvent>) => {
  let state: GateState = unseen
  return log.filter(isChange).map((event) => {
    const before = state
    state = evolve(state, event)
    return transition(before._tag, event._tag, state._tag)
  })
}

describe("the checked model (spec/gate.pml) and the machine", () => {
  it("the model changes its state by `move` alone", () => {
    assert.strictEqual(assignments, 2, "its first value, and the one in `move`")
    assert.isAbove(modelled.size, 10)
  })

  it.effect("make the same changes: the model has each that the machine can make, and no other", () =>
    Effect.gen(function* () {
      const found = new Set<string>()
      const samples = yield* Arbitrary.sampleEffect(histories(40), { count: 1_500, size: 40, seed: 1 })
      for (const rounds of samples) {
        const streams = play(rounds).at(-1)?.after.streams
        if (streams !== undefined)
          for (const id of eventIds) for (const made of changesOf(streams[id].changes)) found.add(made)
      }
      const machine = [...found].filter((made) => !leftOut.has(made))
      assert.deepStrictEqual(machine.toSorted(), [...modelled].toSorted())
    })
  )

  it("hold for the logs of released versions", () => {
    const folder = fileURLToPath(new URL("../domain/released", import.meta.url))
    for (const file of readdirSync(folder)) {
      const { streams } = JSON.parse(readFileSync(path.join(folder, file), "utf8")) as {
        streams: ReadonlyArray<{ what: string; log: ReadonlyArray<Omit<LogRow, "provider" | "dedup_key">> }>
      }
      const log = streams.flatMap(({ log, what }) =>
        log.map((row) => ({ ...row, provider: "p", dedup_key: what }))
      )
      assert.deepStrictEqual(unmodelled(log), [], file)
      assert.isAbove(replayed(log).size, 5)
    }
  })

  it("the control: a log in which a done event is claimed again is not the model's", () => {
    const standing = { attempts: 0, failures: 0 }
    const row = (type: string, data: object): LogRow => ({
      provider: "p",
      dedup_key: "k",
      type,
      type_version: 1,
      data: { ...standing, ...data }
    })
    const log = [
      row("Claimed", { fence: 1, request_hash: null, event_type: null, claimed_at: 0 }),
      row("Completed", { fence: 1, event_type: null, note: null, effects: [] })
    ]
    assert.deepStrictEqual(unmodelled(log), [])
    assert.deepStrictEqual(
      unmodelled([...log, row("Reclaimed", { fence: 2, because: "failed", claimed_at: 1 })]),
      ["Done, Reclaimed -> Processing"]
    )
  })
})
