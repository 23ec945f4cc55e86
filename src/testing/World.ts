import { EffectKey } from "../domain/EffectKey.ts"
import { type GateState, unseen } from "../domain/Gate.ts"
import { type GateEvent, isChange } from "../domain/GateEvent.ts"
import type { Machine } from "./Machine.ts"
import {
  type EventId,
  effectOf,
  eventIds,
  type FactId,
  INTERVAL_MINUTES,
  LEASE_MINUTES,
  MAX_ATTEMPTS
} from "./Step.ts"

export const MINUTE = 60_000

/** One event of the world: its state, and everything that was logged of it. */
export interface Stream {
  readonly state: GateState
  readonly leaseUntil: number | null
  /** Changes of state, oldest first. */
  readonly changes: ReadonlyArray<GateEvent>
  /** Notes by what they say, and how often. */
  readonly notes: Readonly<Record<string, number>>
  /** Fences under which a claim was given, oldest first. */
  readonly claims: ReadonlyArray<number>
}

/** One endpoint as the machine sees it. Immutable; times in milliseconds. */
export interface World {
  readonly now: number
  readonly streams: Readonly<Record<EventId, Stream>>
  /** What is booked, by effect. */
  readonly booked: Readonly<Record<string, FactId>>
}

/** What became of a step: what its caller is told, and the events that it wrote. */
export interface Performed {
  readonly world: World
  readonly answer: string
  readonly events: ReadonlyArray<readonly [EventId, GateEvent]>
}

const empty: Stream = { state: unseen, leaseUntil: null, changes: [], notes: {}, claims: [] }
export const beginning: World = {
  now: 0,
  streams: Object.fromEntries(eventIds.map((id) => [id, empty])) as Record<EventId, Stream>,
  booked: {}
}

export const later = (world: World, minutes: number): World => ({
  ...world,
  now: world.now + minutes * MINUTE
})

export const limits = { maxAttempts: MAX_ATTEMPTS, redeliveryIntervalMs: INTERVAL_MINUTES * MINUTE }
/** A note by what it says. */
export const noteOf = (event: GateEvent): string => {
  switch (event._tag) {
    case "DuplicateSeen":
      return `DuplicateSeen ${event.state}`
    case "BillingEventRecorded":
      return `BillingEventRecorded ${event.fact.effect_key}`
    case "EffectAlreadyRecorded":
      return `EffectAlreadyRecorded ${event.effect_key}`
    default:
      return event._tag
  }
}

/** The stream with one more note. */
export const noted = (stream: Stream, note: string): Stream => ({
  ...stream,
  notes: { ...stream.notes, [note]: (stream.notes[note] ?? 0) + 1 }
})
export const withStream = (world: World, id: EventId, stream: Stream): World => ({
  ...world,
  streams: { ...world.streams, [id]: stream }
})

/** Evolves one event of the world; leases move with claims. */
export const record = (
  machine: Machine,
  world: World,
  id: EventId,
  events: ReadonlyArray<GateEvent>
): World => {
  let stream = world.streams[id]
  for (const event of events) {
    if (!isChange(event)) {
      stream = noted(stream, noteOf(event))
      continue
    }
    const state = machine.evolve(stream.state, event)
    const claimed = event._tag === "Claimed" || event._tag === "Reclaimed"
    stream = {
      ...stream,
      state,
      changes: [...stream.changes, event],
      leaseUntil: claimed
        ? world.now + LEASE_MINUTES * MINUTE
        : state._tag === "Processing"
          ? stream.leaseUntil
          : null,
      claims: claimed ? [...stream.claims, event.fence] : stream.claims
    }
  }
  return withStream(world, id, stream)
}

/** How an event that gives a claim is told; undefined where it gives none. */
export const claimedAs = (event: GateEvent) =>
  event._tag === "Claimed"
    ? `claimed under fence ${event.fence} (first, ${event.failures} failures)`
    : event._tag === "Reclaimed"
      ? `claimed under fence ${event.fence} (${event.because}, ${event.failures} failures)`
      : undefined

/** Facts that are booked with another amount. */
export const clashes = (world: World, facts: ReadonlyArray<FactId>) =>
  facts.some((fact) => ![undefined, fact].includes(world.booked[effectOf(fact)]))

/** The effects of these facts that nobody booked yet. */
export const newEffects = (world: World, facts: ReadonlyArray<FactId>) =>
  facts
    .filter((fact) => world.booked[effectOf(fact)] === undefined)
    .map((fact) => EffectKey.make(effectOf(fact)))

/** Books facts for an event; what is booked already is noted. */
export const book = (world: World, id: EventId, facts: ReadonlyArray<FactId>): World => {
  const booked = { ...world.booked }
  let stream = world.streams[id]
  for (const fact of facts) {
    const effect = effectOf(fact)
    stream = noted(
      stream,
      `${booked[effect] === undefined ? "BillingEventRecorded" : "EffectAlreadyRecorded"} ${effect}`
    )
    booked[effect] ??= fact
  }
  return withStream({ ...world, booked }, id, stream)
}
