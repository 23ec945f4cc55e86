import { createHash } from "node:crypto"
import { Option, Schema } from "effect"
import type { ReplayRange } from "./ReplayRange.ts"

/**
 * Where a replay stands: metadata of an offset under its own prefix, written in the transactions of its records. So it
 * is true whatever dies, and goes where the topics go.
 */
const ReplayState = Schema.Struct({
  /** Of the arguments: the same ones go on, others begin. */
  asked: Schema.String,
  run: Schema.String,
  from: Schema.String,
  to: Schema.String,
  position: Schema.Int,
  records: Schema.Int,
  done: Schema.Boolean
})
export type ReplayState = typeof ReplayState.Type

/** A broker keeps 4,096 bytes by default. */
export const MOST_BYTES = 4_000

export const encode = (state: ReplayState) => JSON.stringify(state)
export const decode = (metadata: string) =>
  Option.getOrUndefined(Schema.decodeUnknownOption(Schema.fromJsonString(ReplayState))(metadata))

export const askedOf = (range: ReplayRange) =>
  createHash("sha256").update(JSON.stringify(range)).digest("hex").slice(0, 16)
