import type { Result } from "effect"
import { decide, evolve, type GateCommand, type GateState, type Rejection } from "../domain/Gate.ts"
import type { GateEvent } from "../domain/GateEvent.ts"

/** What the laws are about: a state machine in the words of `oncegate/domain`. */
export interface Machine {
  readonly decide: (
    state: GateState,
    command: GateCommand,
    now: number
  ) => Result.Result<ReadonlyArray<GateEvent>, Rejection>
  readonly evolve: (state: GateState, event: GateEvent) => GateState
}

/** The machine that the gate runs by. */
export const gate: Machine = { decide, evolve }
