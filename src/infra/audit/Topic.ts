import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import type { Admin, Kafka } from "kafkajs"
import { attempt, KafkaFailed } from "../kafka/KafkaFailed.ts"

const CALL_MS = 10_000
/** Nothing at all was read for so long: an open transaction stands in the way, or the broker is gone. */
const STALL_MS = 60_000

/** A record as a `read_committed` consumer sees it. */
export interface TopicRecord {
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  readonly value: string
  readonly headers: Readonly<Record<string, string>>
}

/** A topic up to the offsets that it had at one moment. Null: there is no such topic. */
export interface Range {
  readonly topic: string
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly from: bigint
    readonly to: bigint
  }>
}

export const capture = (admin: Admin, topic: string) =>
  attempt("audit.offsets", CALL_MS, async (): Promise<Range | null> => {
    if (!(await admin.listTopics()).includes(topic)) return null
    const offsets = await admin.fetchTopicOffsets(topic)
    return {
      topic,
      partitions: offsets.map(({ high, low, partition }) => ({
        partition,
        from: BigInt(low),
        to: BigInt(high)
      }))
    }
  })

const text = (value: unknown) => (value === undefined || value === null ? "" : String(value))

/**
 * Reads a range from its beginning to its end, records of aborted transactions left out. How far a partition was read is
 * told by the driver's own events: they count the markers of transactions too, which no batch shows.
 */
export const read = (
  kafka: Kafka,
  range: Range,
  onRecords: (records: ReadonlyArray<TopicRecord>) => void | Promise<void>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const open = new Map(
        range.partitions.filter(({ from, to }) => to > from).map(({ partition, to }) => [partition, to])
      )
      if (open.size === 0) return
      const consumer = yield* Effect.acquireRelease(
        Effect.sync(() =>
          kafka.consumer({
            groupId: `oncegate-audit-${randomUUID()}`,
            readUncommitted: false,
            maxWaitTimeInMs: 100,
            maxBytesPerPartition: 524_288,
            maxBytes: 4_194_304
          })
        ),
        (consumer) => Effect.promise(() => consumer.disconnect().catch(() => {}))
      )
      yield* attempt("audit.connect", CALL_MS, () => consumer.connect())
      yield* Effect.callback<void, KafkaFailed>((resume) => {
        let movedAt = performance.now()
        const watch = setInterval(() => {
          if (performance.now() - movedAt > STALL_MS) fail("STALLED")
        }, 1000)
        const end = (outcome: Effect.Effect<void, KafkaFailed>) => {
          clearInterval(watch)
          resume(outcome)
        }
        const fail = (code: string) =>
          end(Effect.fail(new KafkaFailed({ operation: "audit.read", code, refused: false })))
        const { CRASH, END_BATCH_PROCESS } = consumer.events
        consumer.on(CRASH, ({ payload }) => {
          if (!payload.restart) fail("CONSUMER_CRASHED")
        })
        consumer.on(END_BATCH_PROCESS, ({ payload: { lastOffset, partition } }) => {
          movedAt = performance.now()
          const to = open.get(partition)
          if (to === undefined || BigInt(lastOffset) + 1n < to) return
          open.delete(partition)
          if (open.size === 0) end(Effect.void)
        })
        consumer
          .subscribe({ topics: [range.topic], fromBeginning: true })
          .then(() =>
            consumer.run({
              autoCommit: false,
              eachBatch: async ({ batch }) => {
                const to = range.partitions.find(({ partition }) => partition === batch.partition)?.to ?? 0n
                await onRecords(
                  batch.messages
                    .filter(({ offset }) => BigInt(offset) < to)
                    .map(({ headers, key, offset, value }) => ({
                      partition: batch.partition,
                      offset: BigInt(offset),
                      key: text(key),
                      value: text(value),
                      headers: Object.fromEntries(
                        Object.entries(headers ?? {}).map(([name, header]) => [name, text(header)])
                      )
                    }))
                )
              }
            })
          )
          .catch(() => fail("CONSUMER_FAILED"))
        return Effect.sync(() => clearInterval(watch))
      })
    })
  )
