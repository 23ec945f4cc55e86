import { Schema } from "effect"

/** A local server could not be started. The message is one line: what is wrong, and what to do about it. */
export class EmbeddedFailed extends Schema.TaggedError<EmbeddedFailed>()("EmbeddedFailed", {
  part: Schema.Literals(["postgres", "kafka"]),
  reason: Schema.String,
  advice: Schema.String
}) {
  override get message() {
    return `${this.reason}. ${this.advice}`
  }
}
