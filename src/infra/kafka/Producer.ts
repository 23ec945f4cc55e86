import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import type { Admin, Kafka, Producer as KafkajsProducer, RecordMetadata, TopicMessages } from "kafkajs"
import { Failpoints, failpointPromise } from "../../domain/Failpoint.ts"
import type { BatchId } from "../postgres/RelayCheckpoint.ts"
import { attempt, KafkaFailed } from "./KafkaFailed.ts"
import { joining } from "./KafkajsTransactions.ts"
import { byTopic, partitionName, type TopicEnds } from "./TopicEnds.ts"
import type { TopicNames } from "./Topics.ts"

/** Time for one transaction, retries included; the broker aborts it a little later by itself. */
const PUBLISH_MS = 12_000
const TRANSACTION_TIMEOUT_MS = 20_000
const CALL_MS = 10_000
/** A broker that was just started can need seconds to know its offsets again. */
const SETTLE_READS = 200
const SETTLE_PAUSE_MS = 50

const CHECKPOINT = 0
const BARRIER = 1

/** A producer that fenced every earlier one of its transactional id. */
export interface FencedProducer {
  /**
   * The checkpoint in Kafka. The predecessor's transaction is over by now, and a barrier written behind it was read
   * back: what is returned is its outcome, not an older answer.
   */
  readonly checkpoint: Effect.Effect<BatchId | undefined, KafkaFailed>
  /**
   * Records and checkpoint in one transaction, which also ends what hangs in `joined`: commits it with the rest, or
   * aborts it if it is broken off. After any failure the producer must not be used again.
   */
  readonly publish: (
    messages: ReadonlyArray<TopicMessages>,
    id: BatchId,
    joined?: TopicEnds
  ) => Effect.Effect<void, KafkaFailed>
  /** What the look of `FenceOptions` found. */
  readonly unended: TopicEnds
}

const offsets = (names: TopicNames, partition: number, { batch, nonce }: BatchId) => ({
  consumerGroupId: names.group,
  topics: [{ topic: names.checkpoint, partitions: [{ partition, offset: String(batch), metadata: nonce }] }]
})

/** What the relay's group has at present in both partitions of the checkpoint topic; no guarantee of any kind. */
const fetchOffsets = (admin: Admin, names: TopicNames) =>
  Effect.map(
    attempt("checkpoint.fetch", CALL_MS, () =>
      admin.fetchOffsets({ groupId: names.group, topics: [names.checkpoint] })
    ),
    ([topic]) => {
      const read = (wanted: number): BatchId | undefined => {
        const found = topic?.partitions.find(({ partition }) => partition === wanted)
        return found === undefined || found.offset === "-1"
          ? undefined
          : { batch: Number(found.offset), nonce: found.metadata ?? "" }
      }
      return { last: read(CHECKPOINT), barrier: read(BARRIER) }
    }
  )

/** The checkpoint without fencing anyone: for a first look, which must not disturb a relay that is in the right. */
export const peek = (admin: Admin, names: TopicNames) =>
  Effect.map(fetchOffsets(admin, names), ({ last }) => last)

const settledCheckpoint = Effect.fnUntraced(function* (admin: Admin, names: TopicNames, barrier: string) {
  let previous: string | undefined
  for (let read = 0; read < SETTLE_READS; read++) {
    const found = yield* fetchOffsets(admin, names)
    const answer = found.barrier?.nonce === barrier ? JSON.stringify(found.last ?? null) : undefined
    if (answer !== undefined && answer === previous) return found.last
    previous = answer
    if (answer === undefined) yield* Effect.sleep(SETTLE_PAUSE_MS)
  }
  return yield* new KafkaFailed({ operation: "checkpoint.settle", code: "STALE_OFFSETS", refused: false })
})

/**
 * Where a partition moves to a broker that has answered already, kafkajs holds that broker's part for done and leaves
 * out the partition, without an error: a commit would lose its records. Its repetition for a broker that has not
 * answered yet is refused as it is sent (KafkajsProduce). And a partition that begins anew is another topic of the
 * same name: what it held is gone.
 */
const checkAnswers = (
  messages: ReadonlyArray<TopicMessages>,
  answers: ReadonlyArray<RecordMetadata>,
  ends: TopicEnds
) => {
  const fail = (code: string): never => {
    throw Object.assign(new Error(code), { code })
  }
  const answered = new Map(
    answers.map(({ baseOffset = "-1", partition, topicName }) => [
      partitionName(topicName, partition),
      BigInt(baseOffset)
    ])
  )
  for (const { messages: sent, topic } of messages) {
    const counts = new Map<number, number>()
    for (const { partition } of sent) counts.set(partition!, (counts.get(partition!) ?? 0) + 1)
    for (const [number, count] of counts) {
      const partition = partitionName(topic, number)
      const offset = answered.get(partition) ?? fail("LEADER_MOVED")
      if (offset < 0n) continue
      if (offset < (ends.get(partition) ?? 0n)) fail("TOPIC_REPLACED")
      ends.set(partition, offset + BigInt(count))
    }
  }
}

/**
 * A transaction in kafkajs. After any rejection the whole producer is thrown away: used on, it loses acknowledged
 * records, for it sets sequence numbers back that the broker has used, and the broker then takes the next records for
 * repeats. A new producer also ends what a lost reply left open.
 */
const transact = (
  producer: KafkajsProducer,
  messages: ReadonlyArray<TopicMessages>,
  commit: ReturnType<typeof offsets>,
  ends: TopicEnds,
  joined: TopicEnds = new Map()
) =>
  Effect.flatMap(Failpoints, (act) =>
    attempt("publish", PUBLISH_MS, async () => {
      const transaction = await producer.transaction()
      // One call: several at once share sequence numbers.
      if (messages.length > 0) {
        checkAnswers(messages, await transaction.sendBatch({ acks: -1, topicMessages: [...messages] }), ends)
        await failpointPromise(act, "relay.sent")
      }
      await joining(byTopic(joined), () => transaction.sendOffsets(commit))
      if (joined.size > 0) await failpointPromise(act, "relay.ending")
      if (messages.length > 0) await failpointPromise(act, "relay.offsets")
      await transaction.commit()
    })
  )

export interface FenceOptions<E> {
  /** Kept as records are written. */
  readonly ends?: TopicEnds
  /** Looks for what Kafka forgot to end, where nothing of ours is under way; if it fails, all stays as it is. */
  readonly look?: Effect.Effect<TopicEnds, E>
}

/** Connects a new producer and fences: whatever an earlier one has under way is committed or aborted when this returns. */
export const fence = Effect.fnUntraced(function* <E = never>(
  kafka: Kafka,
  admin: Admin,
  names: TopicNames,
  { ends = new Map(), look = Effect.succeed<TopicEnds>(new Map()) }: FenceOptions<E> = {}
) {
  const producer = yield* Effect.acquireRelease(
    Effect.sync(() =>
      kafka.producer({
        transactionalId: names.transactionalId,
        idempotent: true,
        maxInFlightRequests: 1,
        transactionTimeout: TRANSACTION_TIMEOUT_MS,
        allowAutoTopicCreation: false,
        // Of a batch, chosen when it was encoded.
        createPartitioner:
          () =>
          ({ message }) =>
            message.partition!
      })
    ),
    // Not waited for: a broken connection can take its time, and the successor must not.
    (producer) => Effect.sync(() => void producer.disconnect().catch(() => {}))
  )
  yield* attempt("fence.connect", CALL_MS, () => producer.connect())
  // An empty transaction asks for a new epoch, which waits until the predecessor's transaction is over.
  yield* attempt("fence", CALL_MS, async () => (await producer.transaction()).abort())
  const unended = yield* look
  // Same group, so same log of offsets: where this can be read, everything before it can.
  const barrier = randomUUID()
  yield* transact(producer, [], offsets(names, BARRIER, { batch: 0, nonce: barrier }), ends)
  return {
    checkpoint: settledCheckpoint(admin, names, barrier),
    publish: (messages: ReadonlyArray<TopicMessages>, id: BatchId, joined?: TopicEnds) =>
      transact(producer, messages, offsets(names, CHECKPOINT, id), ends, joined),
    unended
  } satisfies FencedProducer
})

/** An admin client for the time of the scope. */
export const connectAdmin = (kafka: Kafka) =>
  Effect.gen(function* () {
    const admin = yield* Effect.acquireRelease(
      Effect.sync(() => kafka.admin()),
      (admin) => Effect.sync(() => void admin.disconnect().catch(() => {}))
    )
    yield* attempt("admin.connect", CALL_MS, () => admin.connect())
    return admin
  })
