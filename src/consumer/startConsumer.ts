import { Cause, Effect, Exit, Layer, Logger, type LogLevel, ManagedRuntime, References } from "effect"
import type postgres from "postgres"
import type { ConsumedEvent, DataOf, KnownType } from "./ConsumedEvent.ts"
import { Consumer } from "./Consumer.ts"
import type { BaseOptions, ConsumerOptions, Handlers } from "./ConsumerOptions.ts"
import type { ConsumerStatus, PartitionLag } from "./ConsumerStatus.ts"

/** What a handler works with besides its event. */
export interface HandlerContext {
  /** The transaction in which the event is noted as handled. Ends with the handler: wait for every query. */
  readonly sql: postgres.TransactionSql
  /** Aborted when the handler's time is over, or the consumer's. */
  readonly signal: AbortSignal
}

/** {@link Handler} in plain async code: what it throws is a failed attempt. */
export type AsyncHandler<Event> = (event: Event, context: HandlerContext) => unknown

/** A line of the kit's log: an event, ids and codes. Never data or messages of errors. */
export interface LogLine {
  readonly level: "debug" | "info" | "warning" | "error"
  readonly message: string
  readonly [annotation: string]: unknown
}

export interface StartOptions extends BaseOptions {
  /** A handler for each type that is wanted; a known type without one is passed by. */
  readonly handlers: {
    readonly [Type in KnownType]?: AsyncHandler<ConsumedEvent<Type, DataOf<Type>>>
  }
  /** What to do with a type that this version of the kit does not know; see {@link ConsumerOptions}. */
  readonly unknownTypes: "skip" | "dead-letter" | AsyncHandler<ConsumedEvent>
  /** Default: lines of JSON on standard error. */
  readonly log?: (line: LogLine) => void
}

/** A running consumer. */
export interface RunningConsumer {
  readonly status: () => ConsumerStatus
  /** Asks the brokers how far the group is behind. Rejects with `KafkaFailed`, which holds a code. */
  readonly lag: () => Promise<ReadonlyArray<PartitionLag>>
  /** Lets handlers at work finish, commits, leaves the group. The second call returns the first one's promise. */
  readonly stop: () => Promise<void>
}

const levels: Readonly<Partial<Record<LogLevel.LogLevel, LogLine["level"]>>> = {
  Debug: "debug",
  Info: "info",
  Warn: "warning"
}
const toLog = (write: (line: LogLine) => void) =>
  Logger.layer([
    Logger.make<unknown, void>(({ fiber, logLevel, message }) =>
      write({
        level: levels[logLevel] ?? "error",
        message: [message]
          .flat()
          .filter((part) => typeof part === "string")
          .join(" "),
        ...fiber.getRef(References.CurrentLogAnnotations)
      })
    )
  ])

const asEffect =
  <Event>(handler: AsyncHandler<Event>) =>
  (event: Event, sql: postgres.TransactionSql) =>
    Effect.tryPromise({
      try: async (signal) => handler(event, { sql, signal }),
      catch: (thrown) => thrown
    })

/**
 * Starts a consumer and returns at once; Kafka and Postgres may come later. Rejects with `ConsumerRefused` where the
 * options contradict each other.
 *
 * @example
 * const consumer = await startConsumer({
 *   brokers: ["127.0.0.1:9092"], groupId: "revenue", sql: postgres(process.env.DATABASE_URL), unknownTypes: "dead-letter",
 *   handlers: {
 *     "billing.payment.captured.v1": async ({ data }, { sql }) => {
 *       await sql`INSERT INTO revenue (reference, value) VALUES (${data.payment_reference}, ${data.amount.value})`
 *     }
 *   }
 * })
 * process.once("SIGTERM", () => consumer.stop())
 */
export const startConsumer = async (options: StartOptions): Promise<RunningConsumer> => {
  const { handlers, unknownTypes, log, ...rest } = options
  const write = log ?? ((line: LogLine) => void process.stderr.write(`${JSON.stringify(line)}\n`))
  const settings: ConsumerOptions = {
    ...rest,
    handlers: Object.fromEntries(
      Object.entries(handlers).map(([type, handler]) => [type, asEffect(handler as AsyncHandler<unknown>)])
    ) as Handlers,
    unknownTypes: typeof unknownTypes === "string" ? unknownTypes : asEffect(unknownTypes)
  }
  const runtime = ManagedRuntime.make(Consumer.layer(settings).pipe(Layer.provideMerge(toLog(write))))
  const exit = await runtime.runPromiseExit(Consumer)
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  const consumer = exit.value
  let stopped: Promise<void> | undefined
  return {
    status: () => Effect.runSync(consumer.status),
    lag: () => Effect.runPromise(consumer.lag),
    stop: () => {
      stopped ??= runtime.dispose()
      return stopped
    }
  }
}
