import { Schema } from "effect"

/**
 * Thrown by (or failed with in) a handler: this record can never be handled, trying again is of no use. It goes to the
 * dead-letter topic at once. `reason` is a short code of yours that ends up in the log, never text out of the record.
 */
export class Unprocessable extends Schema.TaggedError<Unprocessable>()("Unprocessable", {
  reason: Schema.String
}) {}

/** The handler took longer than `handlerTimeoutMs`: its transaction was rolled back. Counted as an attempt. */
export class HandlerTimeout extends Schema.TaggedError<HandlerTimeout>()("HandlerTimeout", {
  limitMs: Schema.Finite
}) {}

/** A record is no CloudEvent in binary mode, or its data are not what its type promises: dead-lettered at once. */
export class DecodeFailed extends Schema.TaggedError<DecodeFailed>()("DecodeFailed", {
  /** `ce_id`, `ce_type`, `json`, or `schema`. Never a value. */
  part: Schema.Literals(["ce_id", "ce_source", "ce_type", "json", "schema"])
}) {}

/** A type that no handler takes, where `unknownTypes` is `"dead-letter"`. */
export class UnknownType extends Schema.TaggedError<UnknownType>()("UnknownType", {}) {}

/** With `afterDeadLetter: "block-key"`: an earlier record of the same key waits in the dead-letter topic. */
export class KeyBlocked extends Schema.TaggedError<KeyBlocked>()("KeyBlocked", {}) {}

/** The options contradict each other or are out of range; the message says which. */
export class ConsumerRefused extends Schema.TaggedError<ConsumerRefused>()("ConsumerRefused", {
  message: Schema.String
}) {}

/**
 * What may be told of an error in a header or a log: its tag or class, and an SQLSTATE or system code where it has one.
 * Messages quote values (a unique violation its key, a cast its text), so none is ever repeated.
 */
export const classOf = (error: unknown): { readonly name: string; readonly code: string | undefined } => {
  const { _tag, name, code } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly [key: string]: unknown
  }
  const given = typeof _tag === "string" ? _tag : typeof name === "string" ? name : typeof error
  return {
    name: /^[A-Za-z_$][\w.$]{0,99}$/.test(given) ? given : "Error",
    code: typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : undefined
  }
}
