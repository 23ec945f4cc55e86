import { Result } from "effect"
import { type GateCommand, type GateState, unseen } from "../domain/Gate.ts"
import type { GateEvent, GateEventTag } from "../domain/GateEvent.ts"
import { gate, type Machine } from "./Machine.ts"
import { inWords } from "./tell.ts"

/** What is expected of an event: its name, or its name and some of its fields. */
export type ExpectedEvent =
  | GateEventTag
  | ({ readonly _tag: GateEventTag } & Readonly<Record<string, unknown>>)

const agrees = (event: GateEvent, expected: ExpectedEvent) =>
  typeof expected === "string"
    ? event._tag === expected
    : Object.entries(expected).every(
        ([field, value]) => JSON.stringify(event[field as keyof GateEvent]) === JSON.stringify(value)
      )

const inShort = (command: GateCommand) =>
  `${command._tag}${"fence" in command ? ` under fence ${command.fence}` : ""}${"kind" in command ? ` (${command.kind})` : ""}`
const named = (expected: ExpectedEvent) =>
  typeof expected === "string" ? expected : JSON.stringify(expected)

export interface Then {
  /** These events, in this order. */
  readonly thenEvents: (...expected: ReadonlyArray<ExpectedEvent>) => Then
  /** Refused with this rejection: `FencedOff`, `AlreadyDone` or `NotApplicable`. */
  readonly thenRefused: (tag: string) => Then
  /** The state afterwards has these fields. */
  readonly thenState: (expected: Readonly<Record<string, unknown>>) => Then
  /** The next command, in the state that this one left. */
  readonly when: (command: GateCommand, now?: number) => Then
}

const after = (state: GateState, machine: Machine, story: ReadonlyArray<string>) => ({
  when: (command: GateCommand, now = 0): Then => {
    const decision = machine.decide(state, command, now)
    const next = Result.isFailure(decision) ? state : decision.success.reduce(machine.evolve, state)
    const told = [
      ...story,
      `when ${inShort(command)} at ${now} ms`,
      Result.isFailure(decision)
        ? `then refused: ${decision.failure._tag}`
        : `then ${decision.success.map(({ _tag }) => _tag).join(", ") || "no event"}; now ${inWords(next)}`
    ]
    const fail = (expected: string): never => {
      throw new Error(`${told.join("\n")}\nexpected ${expected}`)
    }
    const then: Then = {
      thenEvents: (...expected) => {
        const good =
          Result.isSuccess(decision) &&
          decision.success.length === expected.length &&
          decision.success.every((event, index) => agrees(event, expected[index]!))
        return good ? then : fail(expected.map(named).join(", ") || "no event")
      },
      thenRefused: (tag) =>
        Result.isFailure(decision) && decision.failure._tag === tag ? then : fail(`refused: ${tag}`),
      thenState: (expected) =>
        Object.entries(expected).every(([field, value]) => next[field as keyof GateState] === value)
          ? then
          : fail(`a state with ${JSON.stringify(expected)}`),
      when: (following, at = now) => after(next, machine, told).when(following, at)
    }
    return then
  }
})

/**
 * Given a log, when a command comes at a time, then these events: `given().when(delivered()).thenEvents("Claimed")`. Throws an
 * Error that tells the whole story where it is otherwise; goes with any test runner.
 */
export const given = (...log: ReadonlyArray<GateEvent>) => givenOf(gate)(...log)

/** The same for a machine of your own. */
export const givenOf =
  (machine: Machine) =>
  (...log: ReadonlyArray<GateEvent>) => {
    const state = log.reduce(machine.evolve, unseen)
    return after(state, machine, [
      `given ${log.map(({ _tag }) => _tag).join(", ") || "nothing"}: ${inWords(state)}`
    ])
  }
