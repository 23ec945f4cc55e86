import { Effect } from "effect"
import type { TopicMessages } from "kafkajs"
import { cut, type LogRow, type Page } from "../postgres/LogReader.ts"
import { makeBatches, type PartitionCounts } from "./Messages.ts"
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

/** What one transaction publishes: a page, or as much of its front as Kafka takes at once. */
export interface Batch {
  readonly page: Page
  /** The rows of the page that found no room, to be published next. */
  readonly rest: Page | undefined
  readonly messages: ReadonlyArray<TopicMessages>
  readonly events: number
  readonly outcomes: number
}

/** Turns rows into encoded records until the page or the room is at its end. */
export const gather = Effect.fnUntraced(function* (
  page: Page,
  names: Pick<TopicNames, "events" | "outcomes">,
  partitions: PartitionCounts,
  toRecord: (row: LogRow) => OutRecord | undefined
) {
  const batches = makeBatches(names, partitions)
  const count = { events: 0, outcomes: 0 }
  let total = 0
  let taken = 0
  for (const row of page.rows) {
    const record = toRecord(row)
    if (record !== undefined) {
      const bytes = batches.add(record, PARTITION_BYTES)
      if (bytes === 0) break
      total += bytes
      count[record.topic] += 1
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
    messages: batches.messages()
  } satisfies Batch
})
