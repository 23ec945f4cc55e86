import { Schema } from "effect"

/** A rebase that must not be, or could not be brought to its end; the message says what to do. */
export class RebaseRefused extends Schema.TaggedError<RebaseRefused>()("RebaseRefused", {
  message: Schema.String
}) {}
