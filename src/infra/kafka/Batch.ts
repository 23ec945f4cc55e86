import kafkajs, { type TopicMessages } from "kafkajs"
import { cut, type LogRow, type Page } from "../postgres/LogReader.ts"
import type { OutRecord } from "./Records.ts"
import type { TopicNames } from "./Topics.ts"

/**
 * What goes to one partition in one transaction is one batch of Kafka, and a broker refuses one over
 * `message.max.bytes` (1,048,588 by default): a burst that shares one key must not stop the relay.
 */
const PARTITION_BYTES = 700_000
const TOTAL_BYTES = 8_000_000
/** Key and headers of a record, and what the format adds. */
const ENVELOPE_BYTES = 700

/** How many partitions a topic has now. */
export type PartitionCounts = Readonly<Record<OutRecord["topic"], number>>

/** What one transaction publishes: a page, or as much of its front as Kafka takes at once. */
export interface Batch {
  readonly page: Page
  readonly messages: ReadonlyArray<TopicMessages>
  readonly events: number
  readonly outcomes: number
}

const toPartition = (_: unknown, partitionId: number) => ({
  partitionId,
  leader: 0,
  replicas: [],
  isr: [],
  partitionErrorCode: 0
})

/** Turns rows into messages until the page or the room is at its end. */
export const gather = (
  page: Page,
  names: Pick<TopicNames, "events" | "outcomes">,
  partitions: PartitionCounts,
  toRecord: (row: LogRow) => OutRecord | undefined
): Batch => {
  const partitioner = kafkajs.Partitioners.DefaultPartitioner()
  const metadata = {
    events: Array.from({ length: partitions.events }, toPartition),
    outcomes: Array.from({ length: partitions.outcomes }, toPartition)
  }
  const records: Record<OutRecord["topic"], Array<OutRecord>> = { events: [], outcomes: [] }
  const room = new Map<string, number>()
  let total = 0
  let taken = 0
  for (const row of page.rows) {
    const record = toRecord(row)
    if (record !== undefined) {
      const { topic, key, value } = record
      const place = `${topic}/${partitioner({ topic, partitionMetadata: metadata[topic], message: { key, value } })}`
      const bytes = value.length + ENVELOPE_BYTES
      const filled = (room.get(place) ?? 0) + bytes
      total += bytes
      if (taken > 0 && (filled > PARTITION_BYTES || total > TOTAL_BYTES)) break
      room.set(place, filled)
      records[topic].push(record)
    }
    taken += 1
  }
  return {
    page: taken === page.rows.length ? page : cut(page, taken),
    events: records.events.length,
    outcomes: records.outcomes.length,
    messages: (["events", "outcomes"] as const)
      .filter((topic) => records[topic].length > 0)
      .map((topic) => ({
        topic: names[topic],
        messages: records[topic].map(({ key, value, headers }) => ({ key, value, headers: { ...headers } }))
      }))
  }
}
