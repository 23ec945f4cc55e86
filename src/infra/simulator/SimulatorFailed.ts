import { Data } from "effect"

/** The simulator cannot start or cannot be used; the message says what to do about it and fits on one line. */
export class SimulatorFailed extends Data.TaggedError("SimulatorFailed")<{ readonly message: string }> {}
