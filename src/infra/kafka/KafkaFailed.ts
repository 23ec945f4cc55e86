import { Effect, Schema } from "effect"

/**
 * The only form in which an error of kafkajs leaves this folder: ids and codes, no text, no record.
 * `refused`: Kafka said no to what was sent, or to who sent it; trying again changes nothing.
 */
export class KafkaFailed extends Schema.TaggedError<KafkaFailed>()("KafkaFailed", {
  operation: Schema.String,
  /** Protocol error, or the driver's or system's code. */
  code: Schema.String,
  refused: Schema.Boolean
}) {
  override get message() {
    return `${this.operation}: ${this.code}`
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_RECORD",
  "INVALID_TIMESTAMP",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  "UNSUPPORTED_COMPRESSION_TYPE",
  "OFFSET_METADATA_TOO_LARGE",
  "POLICY_VIOLATION",
  "INVALID_TOPIC_EXCEPTION",
  "INVALID_REPLICATION_FACTOR",
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  "SASL_AUTHENTICATION_FAILED",
  "ILLEGAL_SASL_STATE",
  "UNSUPPORTED_SASL_MECHANISM",
  "INVALID_TRANSACTION_TIMEOUT"
])

interface Thrown {
  readonly type?: unknown
  readonly code?: unknown
  readonly name?: unknown
  readonly cause?: unknown
  readonly errors?: ReadonlyArray<unknown>
}

/** kafkajs wraps errors in errors; the innermost protocol error says what happened. */
const codeOf = (thrown: unknown, depth = 0): string | undefined => {
  if (typeof thrown !== "object" || thrown === null || depth > 5) return undefined
  const { type, code, name, cause, errors } = thrown as Thrown
  if (typeof type === "string" && type !== "UNKNOWN") return type
  return (
    codeOf(cause, depth + 1) ??
    codeOf(errors?.[0], depth + 1) ??
    (typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : undefined) ??
    (typeof name === "string" ? name.replace(/\W/g, "").slice(0, 60) : undefined)
  )
}

/**
 * A call of kafkajs with a time limit of our own: on a half-open connection its retries hang for half a minute, and
 * some of its promises never settle (https://github.com/tulios/kafkajs/issues/919, 1275).
 */
export const attempt = <A>(operation: string, limitMs: number, call: () => Promise<A>) =>
  Effect.callback<A, KafkaFailed>((resume) => {
    const fail = (code: string) =>
      resume(Effect.fail(new KafkaFailed({ operation, code, refused: REFUSALS.has(code) })))
    const timer = setTimeout(() => fail("CLIENT_TIMEOUT"), limitMs)
    call().then(
      (value) => {
        clearTimeout(timer)
        resume(Effect.succeed(value))
      },
      (thrown) => {
        clearTimeout(timer)
        fail(codeOf(thrown) ?? "UNKNOWN")
      }
    )
    return Effect.sync(() => clearTimeout(timer))
  })
