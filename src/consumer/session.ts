import { Deferred, Effect } from "effect"
import type { Admin, Consumer, ConsumerCrashEvent, EachBatchPayload, Kafka } from "kafkajs"
import { attempt, KafkaFailed } from "../infra/kafka/KafkaFailed.ts"
import type { DeadLetters } from "./DeadLetters.ts"

/** The partitions of this member between two joins of its group. */
export interface Assignment {
  readonly topic: string
  readonly partition: number
}

export interface SessionOptions {
  readonly kafka: Kafka
  readonly groupId: string
  readonly topics: ReadonlyArray<string>
  readonly sessionTimeoutMs: number
  readonly deadLetters: DeadLetters
  /** The group was joined: nothing fetched before counts any more. Called before anything is fetched. */
  readonly onJoin: (consumer: Consumer, assignment: ReadonlyArray<Assignment>) => void
  /** Fetching of these begins, at what the group committed. */
  readonly onOpen: (assignment: ReadonlyArray<Assignment>) => void
  /** Takes a fetch, or says that it is not wanted. */
  readonly onBatch: (payload: EachBatchPayload) => boolean
  /** A fetch that held nothing but Kafka's own records up to `last`. */
  readonly onEmpty: (assignment: Assignment, last: string) => void
}

const CALL_MS = 10_000
const FETCH_WAIT_MS = 250
const REBALANCE_MS = 60_000
/** One poll of kafkajs's fetch loop takes some `FETCH_WAIT_MS`; a join up to `REBALANCE_MS`. Past both, it hangs. */
const STALL_MS = 90_000

/** Where the group goes on in each partition: what it committed, else the first record. */
export const committedOffsets = Effect.fnUntraced(function* (
  admin: Admin,
  groupId: string,
  topics: ReadonlyArray<string>
) {
  const committed = yield* attempt("offsets.committed", CALL_MS, () =>
    admin.fetchOffsets({ groupId, topics: [...topics] })
  )
  const ends = yield* Effect.forEach(
    topics,
    (topic) =>
      Effect.map(
        attempt("offsets.ends", CALL_MS, () => admin.fetchTopicOffsets(topic)),
        (partitions) => ({ topic, partitions })
      ),
    { concurrency: 4 }
  )
  return ends.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, high, low }) => {
      const found = committed
        .find((one) => one.topic === topic)
        ?.partitions.find((one) => one.partition === partition)?.offset
      return {
        topic,
        partition,
        end: high,
        committed: found === undefined || found === "-1" ? low : found
      }
    })
  )
})

const codeOf = (event: ConsumerCrashEvent) => {
  const { error } = event.payload as { readonly error: { readonly type?: unknown; readonly name?: unknown } }
  const given = typeof error.type === "string" ? error.type : error.name
  return String(given).replace(/\W/g, "").slice(0, 60)
}

/**
 * One consumer of kafkajs, from its making to its end, which is always a failure. kafkajs's own restarts are off: it
 * does not come back from what it takes for final, nor from a fault in its own loop, so every end is answered by a new
 * consumer.
 */
export const session = Effect.fnUntraced(function* (options: SessionOptions) {
  const { kafka, groupId, topics, sessionTimeoutMs } = options
  const ended = yield* Deferred.make<never, KafkaFailed>()
  const fail = (code: string) =>
    Deferred.doneUnsafe(ended, Effect.fail(new KafkaFailed({ operation: "consume", code, refused: false })))
  const admin = yield* Effect.acquireRelease(
    Effect.sync(() => kafka.admin()),
    (admin) => Effect.sync(() => void admin.disconnect().catch(() => {}))
  )
  yield* attempt("admin.connect", CALL_MS, () => admin.connect())
  yield* options.deadLetters.ensure(admin, topics)

  const consumer = yield* Effect.acquireRelease(
    Effect.sync(() =>
      kafka.consumer({
        groupId,
        readUncommitted: false,
        allowAutoTopicCreation: false,
        sessionTimeout: sessionTimeoutMs,
        rebalanceTimeout: REBALANCE_MS,
        heartbeatInterval: Math.min(3_000, Math.floor(sessionTimeoutMs / 3)),
        // While everything is paused kafkajs sleeps so long between two heartbeats; then a resume is felt as soon.
        maxWaitTimeInMs: FETCH_WAIT_MS,
        maxBytesPerPartition: 262_144,
        retry: { initialRetryTime: 50, maxRetryTime: 1_000, retries: 5, restartOnFailure: async () => false }
      })
    ),
    // Leaves the group, so that the others need not wait for the session to time out.
    (consumer) => Effect.ignore(attempt("consumer.disconnect", CALL_MS, () => consumer.disconnect()))
  )

  let lastSign = Date.now()
  consumer.on(consumer.events.FETCH_START, () => {
    lastSign = Date.now()
  })
  consumer.on(consumer.events.CRASH, (event) => void fail(codeOf(event)))
  consumer.on(consumer.events.START_BATCH_PROCESS, ({ payload }) => {
    if (payload.batchSize === 0) options.onEmpty(payload, payload.lastOffset)
  })

  /**
   * From a join to here nothing is taken. A fetch that was under way in the join still brings records from where the
   * last assignment had come to (kafkajs fetches from each broker apart); taken, it would jump over what was fetched
   * and not yet handled. The seek makes kafkajs drop it.
   */
  const open = Effect.fnUntraced(function* (assignment: ReadonlyArray<Assignment>) {
    const offsets = yield* committedOffsets(admin, groupId, topics)
    for (const { topic, partition } of assignment) {
      const found = offsets.find((one) => one.topic === topic && one.partition === partition)
      if (found !== undefined) consumer.seek({ topic, partition, offset: found.committed })
    }
    options.onOpen(assignment)
  })
  const context = yield* Effect.context<never>()
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    lastSign = Date.now()
    const assignment = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition }))
    )
    options.onJoin(consumer, assignment)
    Effect.runForkWith(context)(open(assignment)).addObserver((exit) => {
      if (exit._tag === "Failure") fail("OFFSETS_UNKNOWN")
    })
  })

  yield* attempt("consumer.connect", CALL_MS, () => consumer.connect())
  yield* attempt("consumer.subscribe", CALL_MS, () =>
    consumer.subscribe({ topics: [...topics], fromBeginning: true })
  )
  // Not awaited to its end: a join waits for the other members.
  yield* attempt("consumer.run", REBALANCE_MS + CALL_MS, () =>
    consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async (payload) => {
        if (!payload.isStale() && options.onBatch(payload)) payload.resolveOffset(payload.batch.lastOffset())
      }
    })
  )
  const watch = Effect.gen(function* () {
    while (Date.now() - lastSign < STALL_MS) yield* Effect.sleep(1_000)
    return yield* new KafkaFailed({ operation: "consume", code: "STALLED", refused: false })
  })
  return yield* Effect.raceFirst(Deferred.await(ended), watch)
})
