/**
 * `oncegate/consumer`: consumes billing events with effects that happen once. {@link startConsumer} for plain async
 * code, {@link Consumer} and {@link make} for Effect. The guide is docs/consumers.md.
 *
 * @module
 */
export { KafkaFailed } from "../infra/kafka/KafkaFailed.ts"
export * from "./ConsumedEvent.ts"
export { Consumer } from "./Consumer.ts"
export type { BaseOptions, ConsumerOptions, Handler, Handlers } from "./ConsumerOptions.ts"
export type { ConsumerCounts, ConsumerState, ConsumerStatus, PartitionLag } from "./ConsumerStatus.ts"
export { DEAD_LETTER_HEADERS } from "./DeadLetters.ts"
export { type ConsumerShape, make } from "./engine.ts"
export {
  ConsumerRefused,
  DecodeFailed,
  HandlerTimeout,
  KeyBlocked,
  UnknownType,
  Unprocessable
} from "./errors.ts"
export { dismissDeadLetter, INBOX_DDL, migrateInbox } from "./Inbox.ts"
export * from "./startConsumer.ts"
export { TransactionOver } from "./Transaction.ts"
