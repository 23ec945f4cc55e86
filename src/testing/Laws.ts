import { Effect, Result, Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import type { GateState } from "../domain/Gate.ts"
import { unseen } from "../domain/Gate.ts"
import { GateEvent, isChange } from "../domain/GateEvent.ts"
import { upcast } from "../domain/upcast.ts"
import { gate, type Machine } from "./Machine.ts"
import { type EventId, eventIds, histories, MAX_ATTEMPTS, type Round } from "./Step.ts"
import { type Made, play } from "./Trail.ts"
import { inWords, tell } from "./tell.ts"

/** What holds for every history. `broken` says how a trail breaks it, or nothing. */
export interface Law {
  readonly name: string
  readonly broken: (trail: ReadonlyArray<Made>, machine: Machine) => string | undefined
}

/** Looks at each event of each step. */
const eachMove =
  (
    look: (
      from: GateState,
      to: GateState,
      tags: ReadonlyArray<string>,
      made: Made,
      id: EventId
    ) => string | undefined
  ): Law["broken"] =>
  (trail) => {
    for (const made of trail)
      for (const id of eventIds) {
        const tags = made.events.flatMap(([of, { _tag }]) => (of === id ? [_tag] : []))
        const said = look(made.before.streams[id].state, made.after.streams[id].state, tags, made, id)
        if (said !== undefined) return `${id} ${said}`
      }
    return undefined
  }

const fenceIn = (state: GateState) => (state._tag === "Unseen" ? 0 : state.fence)

export const doneIsFinal: Law = {
  name: "done is final",
  broken: eachMove((from, to) =>
    from._tag === "Done" && inWords(from) !== inWords(to) ? `was done and is ${inWords(to)}` : undefined
  )
}

/** A claim is one more; nothing else moves it. */
export const fencesOnlyRise: Law = {
  name: "fences only rise, by one at each claim",
  broken: eachMove((from, to, tags) => {
    const claimed = from._tag === "Unseen" || tags.includes("Reclaimed")
    const step = fenceIn(to) - fenceIn(from)
    return to._tag !== "Unseen" && step !== (claimed ? 1 : 0)
      ? `went from fence ${fenceIn(from)} to ${fenceIn(to)} ${claimed ? "with" : "without"} a claim`
      : undefined
  })
}

export const oldFencesChangeNothing: Law = {
  name: "a worker with an old fence changes nothing, and is not told that it did",
  broken: eachMove((from, to, _, { answer, fence, step }, id) => {
    if (fence === undefined || !("event" in step) || step.event !== id) return undefined
    if (fence === fenceIn(from)) return undefined
    if (inWords(from) !== inWords(to)) return `was changed by a worker under fence ${fence}: ${inWords(to)}`
    return answer === "claim lost" ? undefined : `told a worker under fence ${fence}: ${answer}`
  })
}

export const parkedWaits: Law = {
  name: "only a person moves on what is parked",
  broken: eachMove((from, to, _, { step }) =>
    from._tag === "Parked" && to._tag !== "Parked" && step._tag !== "Redrive" && step._tag !== "Dismiss"
      ? `was parked and is ${inWords(to)}`
      : undefined
  )
}

export const attemptsAreBounded: Law = {
  name: "attempts that are spent park the event",
  broken: eachMove((_, to) =>
    (to._tag === "Processing" || to._tag === "Failed") && to.attempts >= MAX_ATTEMPTS
      ? `goes on after ${to.attempts} of ${MAX_ATTEMPTS} attempts`
      : undefined
  )
}

/** The limit of attempts is for the event's own faults: an outage of the provider must not park everything. */
export const outagesAreNotCounted: Law = {
  name: "a failure of the world is not counted as an attempt",
  broken: eachMove((from, to, tags, { step }) =>
    step._tag === "Fail" &&
    (step.kind === "world" || step.kind === "unconfirmed") &&
    from._tag === "Processing" &&
    to._tag !== "Unseen" &&
    tags.length > 0 &&
    to.attempts !== from.attempts
      ? `went from ${from.attempts} attempts to ${to.attempts}`
      : undefined
  )
}

/** The exception is a delivery that proves its facts by itself. */
export const oneChangeAStep: Law = {
  name: "a step makes at most one change of an event, or claims and completes it",
  broken: (trail) => {
    for (const { events } of trail)
      for (const id of eventIds) {
        const changes = events.filter(([of, event]) => of === id && isChange(event))
        const proven = changes.map(([, { _tag }]) => _tag).join(" ") === "Claimed Completed"
        if (changes.length > 1 && !proven) return `${id} changed ${changes.length} times at once`
      }
    return undefined
  }
}

const stored = Schema.encodeSync(GateEvent)

/** Through JSON and the reader of old versions, as every row of the log goes. */
export const replayGivesTheState: Law = {
  name: "replaying the log gives the state",
  broken: (trail, machine) => {
    const last = trail.at(-1)
    if (last === undefined) return undefined
    for (const id of eventIds) {
      const { changes, state } = last.after.streams[id]
      const replayed = changes
        .map((event) => JSON.parse(JSON.stringify(stored(event))) as { _tag: string })
        .map(({ _tag, ...data }) => Result.getOrThrow(upcast(_tag, 1, data)))
        .reduce(machine.evolve, unseen)
      if (JSON.stringify(replayed) !== JSON.stringify(state))
        return `${id} is ${inWords(state)}, its log says ${inWords(replayed)}`
    }
    return undefined
  }
}

/** Across all events of an endpoint. */
export const bookedOnce: Law = {
  name: "no effect is booked twice",
  broken: (trail) => {
    const booked = new Map<string, string>()
    for (const { events } of trail)
      for (const [id, event] of events)
        for (const effect of event._tag === "Completed" ? event.effects : []) {
          const by = booked.get(effect)
          if (by !== undefined) return `${effect} was booked by ${by} and again by ${id}`
          booked.set(effect, id)
        }
    return undefined
  }
}

export const completedOnce: Law = {
  name: "an event is completed at most once",
  broken: (trail) => {
    for (const id of eventIds) {
      const times = trail
        .flatMap(({ events }) => events)
        .filter(([of, { _tag }]) => of === id && _tag === "Completed")
      if (times.length > 1) return `${id} was completed ${times.length} times`
    }
    return undefined
  }
}

export const all: ReadonlyArray<Law> = [
  doneIsFinal,
  fencesOnlyRise,
  oldFencesChangeNothing,
  parkedWaits,
  attemptsAreBounded,
  outagesAreNotCounted,
  oneChangeAStep,
  replayGivesTheState,
  bookedOnce,
  completedOnce
]

/** A history that breaks a law, shrunk. The message is the story of it. */
export class LawBroken extends Schema.TaggedError<LawBroken>()("LawBroken", {
  law: Schema.String,
  because: Schema.String,
  story: Schema.String,
  /** Repeats the run: give it to `check` as `replay`. */
  replay: Schema.String
}) {
  override get message() {
    return `${this.law}: broken, ${this.because}\n\n${this.story}\n\nreplay: ${this.replay}`
  }
}

/** Whether a law holds for a machine, over random histories. Fails with the shortest story that was found. */
export const check = Effect.fnUntraced(function* (
  law: Law,
  machine: Machine = gate,
  options: Arbitrary.CheckOptions = {}
) {
  const of = (rounds: ReadonlyArray<Round>) => law.broken(play(rounds, machine), machine)
  const result = yield* Arbitrary.checkEffect(histories(), (rounds) => of(rounds) === undefined, {
    runs: 300,
    size: 30,
    maxShrinks: 2_000,
    ...options
  })
  if (result._tag === "Passed") return result.runs
  if (result._tag !== "Falsified") return yield* Effect.die(Arbitrary.formatCheckFailure(result))
  return yield* new LawBroken({
    law: law.name,
    because: of(result.shrunkInput) ?? "",
    story: tell(play(result.shrunkInput, machine)),
    replay: result.replay
  })
})
