import { Result } from "effect"
import { Fence } from "../domain/Fence.ts"
import type { GateCommand } from "../domain/Gate.ts"
import { deliver } from "./deliver.ts"
import { dueIn, look } from "./look.ts"
import type { Machine } from "./Machine.ts"
import { type EventId, LEASE_MINUTES, type Step } from "./Step.ts"
import {
  book,
  clashes,
  limits,
  MINUTE,
  newEffects,
  type Performed,
  record,
  type Stream,
  type World,
  withStream
} from "./World.ts"

const PERSON = { by: "ann", reason: "looked into it" }

const FAILURES = {
  permanent: { kind: "permanent", code: "uninterpretable" },
  world: { kind: "world", code: "provider_unavailable" },
  unconfirmed: { kind: "world", code: "unconfirmed" },
  event: { kind: "event", code: "unexpected" }
} as const
/** A failure as the store is told of it. */
export const failureOf = ({ delayMinutes, kind }: Step & { _tag: "Fail" }) => ({
  ...FAILURES[kind],
  delayMs: delayMinutes * MINUTE
})

const commandOf = (world: World, step: Step, fence: Fence): GateCommand => {
  switch (step._tag) {
    case "Complete":
      return {
        _tag: "Complete",
        fence,
        effects: newEffects(world, step.facts),
        eventType: null,
        note: null
      }
    case "Fail":
      return { _tag: "Fail", fence, limits, ...failureOf(step) }
    case "Redrive":
    case "Dismiss":
      return { _tag: step._tag, ...PERSON }
    default:
      return { _tag: step._tag as "Renew" | "Release", fence }
  }
}

/** What a worker is told whose command was refused: a reply of its own that was lost shows as its own end. */
const refused = (step: Step, { changes, state }: Stream, fence: number, clash: boolean) => {
  if (step._tag === "Redrive" || step._tag === "Dismiss")
    return state._tag === "Unseen"
      ? "there is none"
      : `refused, ${state._tag === "Done" ? "done" : "processing"}`
  const own = state._tag !== "Unseen" && state.fence === fence
  if (step._tag === "Complete") {
    if (own && state._tag === "Done" && changes.at(-1)?._tag !== "Dismissed") return "done"
    return own && clash ? "effect conflict" : "claim lost"
  }
  if (own && (state._tag === "Failed" || state._tag === "Parked")) {
    if (step._tag === "Release") return "released"
    if (step._tag === "Fail") return state._tag === "Parked" ? "parked" : "retry_scheduled"
  }
  return "claim lost"
}

const ANSWERS = { Complete: "done", Release: "released", Redrive: "done", Dismiss: "done" } as const

/** A command of a worker that presents `fence`, or of a person. */
const command = (
  machine: Machine,
  world: World,
  step: Step & { event: EventId },
  fence: number
): Performed => {
  const id = step.event
  const stream = world.streams[id]
  const clash = step._tag === "Complete" && clashes(world, step.facts)
  const decision = machine.decide(stream.state, commandOf(world, step, Fence.make(fence)), world.now)
  if (Result.isFailure(decision)) return { world, answer: refused(step, stream, fence, clash), events: [] }
  if (clash) return { world, answer: "effect conflict", events: [] }
  const events = decision.success
  let next = record(machine, world, id, events)
  if (step._tag === "Renew") {
    const renewed = { ...next.streams[id], leaseUntil: world.now + LEASE_MINUTES * MINUTE }
    return { world: withStream(next, id, renewed), answer: "held", events: [] }
  }
  if (step._tag === "Complete") next = book(next, id, step.facts)
  const answer =
    step._tag === "Fail"
      ? next.streams[id].state._tag === "Parked"
        ? "parked"
        : "retry_scheduled"
      : ANSWERS[step._tag as keyof typeof ANSWERS]
  return { world: next, answer, events: events.map((event) => [id, event]) }
}

/** The fence that a step presents: of the claim that it names, or undefined where that was never given. */
export const fenceOf = (step: Step, claims: (event: EventId) => ReadonlyArray<number>) =>
  "claim" in step ? claims(step.event).at(-1 - step.claim) : undefined

export interface PerformOptions {
  /** The fence that the worker presents; where it is left out, that of the claim that the step names. */
  readonly fence?: number | undefined
  /** What a look at waiting work finds; all of what is due where it is left out. */
  readonly due?: ReadonlyArray<EventId>
}

/** One step of the world. A worker without a claim does nothing and is told `-`. */
export const perform = (
  machine: Machine,
  world: World,
  step: Step,
  options: PerformOptions = {}
): Performed => {
  if (step._tag === "Deliver") return deliver(machine, world, step.event, step.proves)
  if (step._tag === "Look") return look(machine, world, options.due ?? dueIn(step.lane, world))
  if (step._tag === "Redrive" || step._tag === "Dismiss") return command(machine, world, step, 1)
  const fence = options.fence ?? fenceOf(step, (id) => world.streams[id].claims)
  return fence === undefined ? { world, answer: "-", events: [] } : command(machine, world, step, fence)
}
