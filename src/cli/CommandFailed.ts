import { Data } from "effect"

/** A command did not do what it was asked to: `main` prints the message as one line on stderr and exits with 1. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}
