import { Effect, Schema } from "effect"
import { isTlsFault, tlsFault } from "../tls/TlsFault.ts"

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
  "INVALID_TRANSACTION_TIMEOUT",
  "TOPIC_REPLACED"
])

/** What a person does about a refusal that is about who we are or whom we trust; empty for the others. */
const HINTS: Readonly<Record<string, string>> = {
  SASL_AUTHENTICATION_FAILED: "KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is wrong",
  UNSUPPORTED_SASL_MECHANISM: "the brokers do not take KAFKA_SASL_MECHANISM",
  ...Object.fromEntries(
    [
      ["TOPIC", "a topic"],
      ["GROUP", "the group"],
      ["CLUSTER", "the cluster"],
      ["TRANSACTIONAL_ID", "the transactional id"]
    ].map(([what, name]) => [
      `${what}_AUTHORIZATION_FAILED`,
      `our user lacks a right on ${name}; "Rights in Kafka" in docs/operations.md lists those it needs`
    ])
  ),
  TLS_UNKNOWN_AUTHORITY:
    "the certificate of a broker is of an unknown authority; KAFKA_CA_FILE names a file with the right one",
  TRANSACTION_HANGS:
    'a transaction in our topics does not end, and not by our producer either; "When Kafka is in trouble" in docs/operations.md says what to do',
  TOPIC_REPLACED: "a topic was deleted and made anew: what was published to it is gone",
  TLS_WRONG_HOST:
    "the certificate of a broker is for another host than KAFKA_BROKERS, or the broker itself, names",
  TLS_CERTIFICATE_EXPIRED: "the certificate of a broker is not valid now",
  TLS_FAILED: "a broker could not agree with us on TLS: does it speak it on this port?"
}
export const hintOf = (code: string) => (HINTS[code] === undefined ? "" : ` (${HINTS[code]})`)

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
  // kafkajs gives this one no type, and the codes of a certificate only in words.
  if (name === "KafkaJSSASLAuthenticationError") return "SASL_AUTHENTICATION_FAILED"
  const untrusted = tlsFault(thrown)
  if (untrusted !== undefined) return untrusted
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
      resume(
        Effect.fail(new KafkaFailed({ operation, code, refused: REFUSALS.has(code) || isTlsFault(code) }))
      )
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
