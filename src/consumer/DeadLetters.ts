import { Effect, Schedule, Semaphore } from "effect"
import kafkajs, { type Admin, type Kafka, type KafkaMessage, type Producer } from "kafkajs"
import { attempt, KafkaFailed } from "../infra/kafka/KafkaFailed.ts"
import type { Origin } from "./ConsumedEvent.ts"
import { classOf } from "./errors.ts"

const CALL_MS = 15_000

/**
 * Headers added to a dead letter: the names that Kafka's own share groups use (KIP-1191), and the error's class. No
 * message: it could quote what must not leave.
 */
export const DEAD_LETTER_HEADERS = {
  topic: "__dlq.errors.topic",
  partition: "__dlq.errors.partition",
  offset: "__dlq.errors.offset",
  group: "__dlq.errors.group",
  attempts: "__dlq.errors.delivery.count",
  errorClass: "__dlq.errors.exception.class.name",
  /** SQLSTATE or system code, where the error has one. */
  errorCode: "__dlq.errors.exception.code"
} as const

export interface DeadLetters {
  /** Publishes a record as it came, with headers added. Failed, it may stand in the topic all the same. */
  readonly publish: (
    record: { readonly origin: Origin; readonly message: KafkaMessage; readonly attempts: number },
    error: unknown
  ) => Effect.Effect<void, KafkaFailed>
  /** Creates the topic where it is missing, with as many partitions as the widest of `topics`. */
  readonly ensure: (admin: Admin, topics: ReadonlyArray<string>) => Effect.Effect<void, KafkaFailed>
}

/** One dead-letter topic. Records keep their partition's number, so the order of a key is kept. */
export const make = Effect.fnUntraced(function* (kafka: Kafka, topic: string, groupId: string) {
  const one = yield* Semaphore.make(1)
  let producer: Producer | undefined
  let partitions = 1
  const drop = () => {
    producer?.disconnect().catch(() => {})
    producer = undefined
  }
  yield* Effect.addFinalizer(() => Effect.sync(drop))

  const open = async () => {
    if (producer !== undefined) return producer
    const fresh = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner
    })
    producer = fresh
    await fresh.connect()
    return fresh
  }

  const publish: DeadLetters["publish"] = ({ origin, message, attempts }, error) => {
    const { name, code } = classOf(error)
    return attempt("deadLetter.publish", CALL_MS, async () =>
      (await open()).send({
        topic,
        acks: -1,
        messages: [
          {
            key: message.key,
            value: message.value,
            partition: origin.partition % partitions,
            headers: {
              ...message.headers,
              [DEAD_LETTER_HEADERS.topic]: origin.topic,
              [DEAD_LETTER_HEADERS.partition]: String(origin.partition),
              [DEAD_LETTER_HEADERS.offset]: origin.offset,
              [DEAD_LETTER_HEADERS.group]: groupId,
              [DEAD_LETTER_HEADERS.attempts]: String(attempts),
              [DEAD_LETTER_HEADERS.errorClass]: name,
              ...(code === undefined ? {} : { [DEAD_LETTER_HEADERS.errorCode]: code })
            }
          }
        ]
      })
    ).pipe(
      Effect.asVoid,
      // A producer of kafkajs that is used on after an error loses acknowledged records; one call at a time likewise.
      Effect.onExit((exit) => Effect.sync(() => (exit._tag === "Failure" ? drop() : undefined))),
      one.withPermits(1)
    )
  }

  const count = (admin: Admin, name: string) =>
    Effect.map(
      attempt("deadLetter.metadata", CALL_MS, () => admin.fetchTopicMetadata({ topics: [name] })),
      ({ topics }) => topics[0]?.partitions.length ?? 1
    ).pipe(
      Effect.retry({
        while: ({ code }) => code === "UNKNOWN_TOPIC_OR_PARTITION" || code === "LEADER_NOT_AVAILABLE",
        schedule: Schedule.spaced(50).pipe(Schedule.upTo({ duration: CALL_MS }))
      })
    )

  const ensure: DeadLetters["ensure"] = Effect.fnUntraced(function* (admin, topics) {
    const existing = new Set(yield* attempt("deadLetter.list", CALL_MS, () => admin.listTopics()))
    const missing = topics.find((name) => !existing.has(name))
    if (missing !== undefined)
      return yield* new KafkaFailed({ operation: "subscribe", code: "UNKNOWN_TOPIC", refused: false })
    if (!existing.has(topic)) {
      const widest = Math.max(...(yield* Effect.forEach(topics, (name) => count(admin, name))))
      const { brokers } = yield* attempt("deadLetter.cluster", CALL_MS, () => admin.describeCluster())
      yield* attempt("deadLetter.create", CALL_MS, () =>
        admin.createTopics({
          // Its wait gives up at the first broker that has not heard of the topic yet: `count` waits.
          waitForLeaders: false,
          topics: [
            {
              topic,
              numPartitions: widest,
              replicationFactor: Math.min(3, brokers.length),
              configEntries: [
                { name: "cleanup.policy", value: "delete" },
                { name: "retention.ms", value: "-1" },
                // What filled a batch to the broker's limit still fits in with our headers.
                { name: "max.message.bytes", value: "2097152" },
                { name: "min.insync.replicas", value: brokers.length >= 3 ? "2" : "1" }
              ]
            }
          ]
        })
      )
    }
    partitions = yield* count(admin, topic)
  })

  return { publish, ensure } satisfies DeadLetters
})
