import { Result } from "effect"
import type { GateEvent } from "../domain/GateEvent.ts"
import type { Machine } from "./Machine.ts"
import { type EventId, eventIds, type Step } from "./Step.ts"
import { claimedAs, limits, type Performed, record, type Stream, type World } from "./World.ts"

/** Whether a lane is about this event now. */
const waitsIn = (lane: (Step & { _tag: "Look" })["lane"], { leaseUntil, state }: Stream, now: number) =>
  lane === "rescue"
    ? state._tag === "Processing" && (leaseUntil === null || leaseUntil <= now)
    : state._tag === "Failed" &&
      state.nextAttemptAt <= now &&
      (state.code === "unconfirmed") === (lane === "unconfirmed")

/** What waits in a lane. */
export const dueIn = (lane: (Step & { _tag: "Look" })["lane"], world: World) =>
  eventIds.filter((id) => waitsIn(lane, world.streams[id], world.now))

/** A gate takes what waits. */
export const look = (machine: Machine, world: World, due: ReadonlyArray<EventId>): Performed => {
  let next = world
  const events: Array<readonly [EventId, GateEvent]> = []
  const taken: Array<string> = []
  let parked = 0
  for (const id of due) {
    const { leaseUntil, state } = next.streams[id]
    const command = {
      _tag: "Claim",
      by: "gate",
      limits,
      leaseUntil,
      requestHash: null,
      eventType: null
    } as const
    const decision = machine.decide(state, command, world.now)
    if (Result.isFailure(decision)) continue
    next = record(machine, next, id, decision.success)
    for (const event of decision.success) {
      events.push([id, event])
      const claimed = claimedAs(event)
      if (claimed !== undefined) taken.push(`${id} ${claimed}`)
      if (event._tag === "Parked") parked += 1
    }
  }
  const answer = [...taken, ...(parked > 0 ? [`${parked} parked`] : [])].join(", ")
  return { world: next, answer: answer === "" ? "nothing" : answer, events }
}
