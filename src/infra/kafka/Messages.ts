import type { TopicMessages } from "kafkajs"
import { toMessages } from "./KafkajsProduce.ts"
import { partitionOf } from "./Partition.ts"
import { RecordBatch } from "./RecordBatch.ts"
import type { OutRecord } from "./Records.ts"
import type { TopicNames } from "./Topics.ts"

/** Less than what a broker takes for one partition at once (1,048,588 bytes), even where all of it has one key. */
const BYTES = 700_000
const ENVELOPE_BYTES = 700

/** Cuts records into transactions, in order; each has at least one. */
export const inTransactions = <A extends { readonly record: OutRecord }>(rows: ReadonlyArray<A>) => {
  const parts: Array<Array<A>> = []
  let bytes = Number.POSITIVE_INFINITY
  for (const row of rows) {
    const size = row.record.value.length + ENVELOPE_BYTES
    if (bytes + size > BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(row)
    bytes += size
  }
  return parts
}

/** How many partitions a topic has now. */
export type PartitionCounts = Readonly<Record<OutRecord["topic"], number>>

/** Records of one transaction, encoded by topic and partition as they are added. */
export const makeBatches = (names: Pick<TopicNames, "events" | "outcomes">, partitions: PartitionCounts) => {
  const batches = { events: new Map<number, RecordBatch>(), outcomes: new Map<number, RecordBatch>() }
  return {
    /** Bytes that it took; none, and it was not added, where its partition has no room for it below `limit`. */
    add: (record: OutRecord, limit: number): number => {
      const { key, topic } = record
      const partition = partitionOf(key, partitions[topic])
      const batch = batches[topic].get(partition) ?? new RecordBatch()
      batches[topic].set(partition, batch)
      const before = batch.size
      return batch.add(record, limit) ? batch.size - before : 0
    },
    messages: (): ReadonlyArray<TopicMessages> =>
      (["events", "outcomes"] as const)
        .filter((topic) => batches[topic].size > 0)
        .map((topic) => ({
          topic: names[topic],
          messages: [...batches[topic]].flatMap(([partition, batch]) => toMessages(batch, partition))
        }))
  }
}

/** Records as one transaction takes them; `headers` come on top of each one's own. */
export const messagesOf = (
  records: ReadonlyArray<OutRecord>,
  names: Pick<TopicNames, "events" | "outcomes">,
  partitions: PartitionCounts,
  headers: Readonly<Record<string, string>> = {}
) => {
  const batches = makeBatches(names, partitions)
  for (const record of records)
    batches.add({ ...record, headers: { ...record.headers, ...headers } }, Number.POSITIVE_INFINITY)
  return batches.messages()
}
