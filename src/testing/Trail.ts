import type { GateEvent } from "../domain/GateEvent.ts"
import { gate, type Machine } from "./Machine.ts"
import { fenceOf, perform } from "./perform.ts"
import type { EventId, Round, Step } from "./Step.ts"
import { beginning, later, type World } from "./World.ts"

/** One step that was made, with the world before and after it. */
export interface Made {
  readonly at: number
  readonly step: Step
  /** Presented by a worker. */
  readonly fence: number | undefined
  readonly answer: string
  readonly events: ReadonlyArray<readonly [EventId, GateEvent]>
  readonly before: World
  readonly after: World
}

/** Plays a history on a machine, one step after the other. Steps of workers without a claim are left out. */
export const play = (rounds: ReadonlyArray<Round>, machine: Machine = gate): ReadonlyArray<Made> => {
  const trail: Array<Made> = []
  let world = beginning
  for (const { steps, waitMinutes } of rounds) {
    world = later(world, waitMinutes)
    for (const step of steps) {
      const before = world
      const fence = fenceOf(step, (id) => before.streams[id].claims)
      const { answer, events, world: after } = perform(machine, before, step, { fence })
      world = after
      if (answer !== "-") trail.push({ at: before.now, step, fence, answer, events, before, after })
    }
  }
  return trail
}
