import { Result } from "effect"
import { Fence } from "../domain/Fence.ts"
import { duplicateState } from "../domain/Gate.ts"
import { GateEvent } from "../domain/GateEvent.ts"
import { RequestHash } from "../domain/RequestHash.ts"
import type { Machine } from "./Machine.ts"
import type { EventId, FactId } from "./Step.ts"
import {
  book,
  claimedAs,
  clashes,
  limits,
  newEffects,
  noted,
  type Performed,
  record,
  type World,
  withStream
} from "./World.ts"

const HASH = RequestHash.make("0".repeat(64))

/** A second body, and a body that is no object, are kept for a person: born parked, never claimed by a delivery. */
const deliverToCustody = (machine: Machine, world: World, id: "a~" | "q"): Performed => {
  const { state } = world.streams[id]
  const event =
    state._tag !== "Unseen"
      ? GateEvent.cases.DuplicateSeen.make({ state: duplicateState(state), count: 1 })
      : id === "q"
        ? GateEvent.cases.Quarantined.make({
            fence: Fence.make(1),
            attempts: 0,
            failures: 0,
            request_hash: HASH
          })
        : GateEvent.cases.Parked.make({
            fence: Fence.make(1),
            attempts: 0,
            failures: 0,
            code: "payload_mismatch"
          })
  const next = record(machine, world, id, [event])
  if (event._tag === "DuplicateSeen")
    return { world: next, answer: `duplicate, ${event.state}`, events: [[id, event]] }
  return {
    world: id === "a~" ? withStream(next, "a", noted(next.streams.a, "PayloadMismatch")) : next,
    answer: id === "a~" ? "conflict" : "quarantined",
    events: [[id, event]]
  }
}

/** Claimed and completed in one commit, because the delivery proved its facts by itself. */
const proven = (
  machine: Machine,
  world: World,
  id: EventId,
  claimed: GateEvent & { _tag: "Claimed" },
  facts: ReadonlyArray<FactId>
): Performed => {
  const command = {
    _tag: "Complete",
    fence: claimed.fence,
    effects: newEffects(world, facts),
    eventType: null,
    note: null
  } as const
  const decision = machine.decide(world.streams[id].state, command, world.now)
  if (Result.isFailure(decision)) return { world, answer: decision.failure._tag, events: [[id, claimed]] }
  const ended = book(record(machine, world, id, decision.success), id, facts)
  // Nobody holds this claim: there is no work left to do under it.
  const stream = { ...ended.streams[id], claims: [] }
  return {
    world: withStream(ended, id, stream),
    answer: "completed",
    events: [[id, claimed], ...decision.success.map((event) => [id, event] as const)]
  }
}

/** A delivery of an event: what it writes, and what its sender is told. */
export const deliver = (
  machine: Machine,
  world: World,
  id: EventId,
  proves: ReadonlyArray<FactId> | null
): Performed => {
  if (id === "a~" && world.streams.a.state._tag === "Unseen") return { world, answer: "-", events: [] }
  if (id === "a~" || id === "q") return deliverToCustody(machine, world, id)
  const { leaseUntil, state } = world.streams[id]
  const command = {
    _tag: "Claim",
    by: "delivery",
    limits,
    leaseUntil,
    requestHash: HASH,
    eventType: null
  } as const
  const decision = machine.decide(state, command, world.now)
  if (Result.isFailure(decision)) return { world, answer: decision.failure._tag, events: [] }
  const events = decision.success
  const next = record(machine, world, id, events)
  const [first] = events
  if (first?._tag === "Claimed" && proves !== null && !clashes(world, proves))
    return proven(machine, next, id, first, proves)
  const claimed = first === undefined ? undefined : claimedAs(first)
  // A delivery that finds the attempts spent parks the event and is a duplicate of it.
  const spent = first?._tag === "Parked"
  const met = duplicateState(next.streams[id].state)
  return {
    world: spent ? withStream(next, id, noted(next.streams[id], `DuplicateSeen ${met}`)) : next,
    answer: claimed ?? `duplicate, ${met}`,
    events: events.map((event) => [id, event])
  }
}
