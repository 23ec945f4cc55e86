import { createHash } from "node:crypto"
import { Result, Schema } from "effect"
import type { KafkaMessage } from "kafkajs"
import { BillingEvent } from "../domain/BillingEvent.ts"
import { FactType } from "../domain/BillingFact.ts"
import { Outcome, OutcomeType } from "../domain/Outcome.ts"
import type { ConsumedEvent, KnownType, Origin } from "./ConsumedEvent.ts"
import { DecodeFailed } from "./errors.ts"

/** Ids and types come from outside: printable, and short enough for an index of Postgres. */
const PRINTABLE = /^[!-~]{1,255}$/

const header = (message: KafkaMessage, name: string): string | null => {
  const value = message.headers?.[name]
  const first = Array.isArray(value) ? value[0] : value
  return first === undefined ? null : String(first)
}

const facts: ReadonlySet<string> = new Set(FactType.literals)
const outcomes: ReadonlySet<string> = new Set(OutcomeType.literals)
const decodeFact = Schema.decodeUnknownResult(BillingEvent)
const decodeOutcome = Schema.decodeUnknownResult(Outcome)

/** Whether this version of the kit has a schema for the data of a type. */
export const isKnown = (type: string): type is KnownType => facts.has(type) || outcomes.has(type)

const isAsPromised = (type: string, data: unknown) =>
  facts.has(type)
    ? Result.isSuccess(decodeFact(data))
    : outcomes.has(type)
      ? Result.isSuccess(decodeOutcome(data))
      : true

const parse = (value: Buffer | null): Result.Result<unknown, DecodeFailed> => {
  if (value === null) return Result.succeed(null)
  try {
    return Result.succeed(JSON.parse(value.toString("utf8")))
  } catch {
    return Result.fail(new DecodeFailed({ part: "json" }))
  }
}

/** A record in the form that handlers get, before its first attempt. */
export type Decoded = Omit<ConsumedEvent, "attempt">

/**
 * Reads a CloudEvent in binary mode. The schemas only check: what they do not know stays in the data, so that a field
 * added by a later version reaches the handler.
 */
export const decode = (origin: Origin, message: KafkaMessage): Result.Result<Decoded, DecodeFailed> => {
  const id = header(message, "ce_id")
  const source = header(message, "ce_source")
  const type = header(message, "ce_type")
  if (id === null || !PRINTABLE.test(id)) return Result.fail(new DecodeFailed({ part: "ce_id" }))
  if (source === null) return Result.fail(new DecodeFailed({ part: "ce_source" }))
  if (type === null || !PRINTABLE.test(type)) return Result.fail(new DecodeFailed({ part: "ce_type" }))
  const data = parse(message.value)
  if (Result.isFailure(data)) return Result.fail(data.failure)
  if (!isAsPromised(type, data.success)) return Result.fail(new DecodeFailed({ part: "schema" }))
  return Result.succeed({
    id,
    source,
    type,
    subject: header(message, "ce_subject"),
    time: header(message, "ce_time"),
    sequence: header(message, "ce_sequence"),
    traceparent: header(message, "traceparent"),
    replay: header(message, "oncegate-replay") !== null,
    data: data.success,
    key: message.key === null ? null : message.key.toString("utf8"),
    origin
  })
}

/** What the inbox and the dead-letter topic go by, also where a record cannot be decoded. */
export interface Identity {
  readonly id: string
  readonly type: string | null
  readonly key: string | null
  /** Orders the records of a key: `ce_sequence`, else the offset. */
  readonly sequence: string
}

const keyText = (key: Buffer | null) => {
  if (key === null) return null
  const text = key.toString("utf8")
  return /^[^\p{Cc}\ufffd]{1,512}$/u.test(text)
    ? text
    : `sha256:${createHash("sha256").update(key).digest("hex")}`
}

/** A record without a usable id is known by its place. */
export const identify = ({ topic, partition, offset }: Origin, message: KafkaMessage): Identity => {
  const id = header(message, "ce_id")
  const type = header(message, "ce_type")
  const sequence = header(message, "ce_sequence")
  return {
    id: id !== null && PRINTABLE.test(id) ? id : `${topic}/${partition}/${offset}`,
    type: type !== null && PRINTABLE.test(type) ? type : null,
    key: keyText(message.key),
    sequence: sequence !== null && /^\d{20}$/.test(sequence) ? sequence : offset.padStart(20, "0")
  }
}
