import type { Effect } from "effect"
import type { KafkaConfig } from "kafkajs"
import type postgres from "postgres"
import type { ConsumedEvent, DataOf, KnownType } from "./ConsumedEvent.ts"
import { ConsumerRefused } from "./errors.ts"

/**
 * Does the work of one record with `sql`, a transaction of the consumer's database. What it writes there is committed
 * together with the note that the event is handled. Work elsewhere (mail, HTTP) is done again when the transaction is
 * rolled back: give it the event's id as idempotency key. `sql` ends with the handler.
 */
export type Handler<Event, R = never> = (
  event: Event,
  sql: postgres.TransactionSql
) => Effect.Effect<unknown, unknown, R>

/** A handler for each type that is wanted; a known type without one is passed by. */
export type Handlers<R = never> = {
  readonly [Type in KnownType]?: Handler<ConsumedEvent<Type, DataOf<Type>>, R>
}

/** What both APIs have in common. Times in milliseconds. */
export interface BaseOptions {
  /** `host:port` of the brokers. */
  readonly brokers: ReadonlyArray<string>
  /** TLS, as in kafkajs: `true`, or options of `node:tls`. */
  readonly ssl?: KafkaConfig["ssl"]
  /** SASL, as in kafkajs. */
  readonly sasl?: KafkaConfig["sasl"]
  /** Name in the broker's logs. Default: the group. */
  readonly clientId?: string
  /** The consumer group: members of one group share the partitions. A new group begins at the beginning. */
  readonly groupId: string
  /** Default `["billing.events.v1"]`. */
  readonly topics?: ReadonlyArray<string>
  /** The consumer's own Postgres, a client of postgres.js. It stays yours: the kit does not end it. */
  readonly sql: postgres.Sql
  /** Under which name events are remembered as handled. Default: the group. */
  readonly inbox?: string
  /** Creates `oncegate_inbox` where it is missing. Default true. */
  readonly migrate?: boolean
  /** Default `dlq.{groupId}`; created where it is missing. */
  readonly deadLetterTopic?: string
  /**
   * What happens to later records of a key of which one was dead-lettered. `continue` (default): they are handled.
   * `block-key`: they follow it into the dead-letter topic, in order, until it is handled from there or dismissed.
   */
  readonly afterDeadLetter?: "continue" | "block-key"
  /** Keys handled at once, at most one less than the connections of `sql`. Default 8. */
  readonly concurrency?: number
  /** A failed record is tried so often, with pauses that double from `baseMs` to `maxMs`. Default 10, 200, 30000. */
  readonly retry?: { readonly maxAttempts?: number; readonly baseMs?: number; readonly maxMs?: number }
  /** A handler is interrupted after this time, and its transaction rolled back. Default 30000. */
  readonly handlerTimeoutMs?: number
  /** Offsets are committed so often. Default 500. */
  readonly commitIntervalMs?: number
  /** Records of one partition fetched ahead. Default 500. */
  readonly buffer?: number
  /** The group counts a silent member as dead after this time, and at least the broker's minimum. Default 30000. */
  readonly sessionTimeoutMs?: number
  /** At shutdown, handlers at work get this time. Default 10000. */
  readonly drainMs?: number
  /** Sees every failed attempt with its error, which the kit never logs: it may quote data. */
  readonly onFailure?: (
    error: unknown,
    event: Pick<ConsumedEvent, "id" | "type" | "origin" | "attempt">
  ) => void
}

export interface ConsumerOptions<R = never> extends BaseOptions {
  readonly handlers: Handlers<R>
  /**
   * What to do with a type that this version of the kit does not know: pass it by, put it into the dead-letter topic,
   * or handle it (its data are not checked). A later version of Oncegate may add types.
   */
  readonly unknownTypes: "skip" | "dead-letter" | Handler<ConsumedEvent, R>
}

/** Options with their defaults, checked. */
export const complete = <R>(options: ConsumerOptions<R>) => {
  const { retry = {} } = options
  const settled = {
    ...options,
    clientId: options.clientId ?? options.groupId,
    topics: options.topics ?? ["billing.events.v1"],
    inbox: options.inbox ?? options.groupId,
    migrate: options.migrate ?? true,
    deadLetterTopic: options.deadLetterTopic ?? `dlq.${options.groupId}`,
    blockKeys: options.afterDeadLetter === "block-key",
    // One connection stays free: for the question whether the database answers at all.
    concurrency: Math.min(options.concurrency ?? 8, Math.max(1, options.sql.options.max - 1)),
    retry: {
      maxAttempts: retry.maxAttempts ?? 10,
      baseMs: retry.baseMs ?? 200,
      maxMs: retry.maxMs ?? 30_000
    },
    handlerTimeoutMs: options.handlerTimeoutMs ?? 30_000,
    commitIntervalMs: options.commitIntervalMs ?? 500,
    buffer: options.buffer ?? 500,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 30_000,
    drainMs: options.drainMs ?? 10_000
  }
  const { concurrency, buffer, deadLetterTopic, topics, groupId, brokers } = settled
  const wrong = (
    [
      [brokers.length === 0, "brokers is empty"],
      [groupId === "", "groupId is empty"],
      [topics.length === 0, "topics is empty"],
      [topics.includes(deadLetterTopic), `${deadLetterTopic} cannot be read and be the dead-letter topic`],
      [!(concurrency >= 1), "concurrency is less than 1"],
      [!(buffer >= 1), "buffer is less than 1"],
      [!(settled.retry.maxAttempts >= 1), "retry.maxAttempts is less than 1"],
      [!(settled.handlerTimeoutMs >= 1), "handlerTimeoutMs is less than 1"]
    ] as const
  ).find(([is]) => is)
  if (wrong !== undefined) throw new ConsumerRefused({ message: wrong[1] })
  return settled
}
export type Settled<R> = ReturnType<typeof complete<R>>
