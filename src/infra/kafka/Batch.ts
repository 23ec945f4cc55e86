import { Effect } from "effect"
import type { TopicMessages } from "kafkajs"
import { cut, type LogRow, type Page } from "../postgres/LogReader.ts"
import { toMessages } from "./KafkajsProduce.ts"
import { partitionOf } from "./Partition.ts"
import { RecordBatch } from "./RecordBatch.ts"
import type { OutRecord } from "./Records.ts"
import type { TopicNames } from "./Topics.ts"

/**
 * What goes to one partition in one transaction is one batch of Kafka, and a broker refuses one over
 * `message.max.bytes` (1,048,588 by default): a burst that shares one key must not stop the relay.
 */
const PARTITION_BYTES = 800_000
const TOTAL_BYTES = 8_000_000
/** Rows encoded in one go: a gate that shares the process must not wait for a whole page. */
const SLICE_ROWS = 200

/** How many partitions a topic has now. */
export type PartitionCounts = Readonly<Record<OutRecord["topic"], number>>

/** What one transaction publishes: a page, or as much of its front as Kafka takes at once. */
export interface Batch {
  readonly page: Page
  /** The rows of the page that found no room, to be published next. */
  readonly rest: Page | undefined
  readonly messages: ReadonlyArray<TopicMessages>
  readonly events: number
  readonly outcomes: number
}

const TOPICS = ["events", "outcomes"] as const

/** Turns rows into encoded records until the page or the room is at its end. */
export const gather = Effect.fnUntraced(function* (
  page: Page,
  names: Pick<TopicNames, "events" | "outcomes">,
  partitions: PartitionCounts,
  toRecord: (row: LogRow) => OutRecord | undefined
) {
  const batches = { events: new Map<number, RecordBatch>(), outcomes: new Map<number, RecordBatch>() }
  const count = { events: 0, outcomes: 0 }
  let total = 0
  let taken = 0
  for (const row of page.rows) {
    const record = toRecord(row)
    if (record !== undefined) {
      const { topic } = record
      const partition = partitionOf(record.key, partitions[topic])
      const batch = batches[topic].get(partition) ?? new RecordBatch()
      batches[topic].set(partition, batch)
      const before = batch.size
      if (!batch.add(record, PARTITION_BYTES)) break
      total += batch.size - before
      count[topic] += 1
    }
    taken += 1
    if (total >= TOTAL_BYTES) break
    if (taken % SLICE_ROWS === 0) yield* Effect.yieldNow
  }
  const [front, rest] = taken === page.rows.length ? [page, undefined] : cut(page, taken)
  return {
    page: front,
    rest,
    ...count,
    messages: TOPICS.filter((topic) => count[topic] > 0).map((topic) => ({
      topic: names[topic],
      messages: [...batches[topic]].flatMap(([partition, batch]) => toMessages(batch, partition))
    }))
  } satisfies Batch
})
