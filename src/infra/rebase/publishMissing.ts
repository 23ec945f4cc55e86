import { Effect } from "effect"
import * as LogRecords from "../kafka/LogRecords.ts"
import { inTransactions, messagesOf, type PartitionCounts } from "../kafka/Messages.ts"
import type { TopicNames } from "../kafka/Topics.ts"
import type { Connection } from "../postgres/Database.ts"
import type { BatchId } from "../postgres/RelayCheckpoint.ts"
import { chosen } from "./compare.ts"
import type { PatientProducer } from "./PatientProducer.ts"
import type { StartAt } from "./StartAt.ts"

const PAGE = 2_000

/**
 * Publishes what no topic holds, in the order of the log, in transactions that move the offset under the nonce of this
 * rebase: broken off anywhere, the relay stays refused and the next rebase finds what arrived in the topics. Answers
 * with the last batch.
 */
export const publishMissing = Effect.fnUntraced(function* (
  connection: Connection,
  producer: PatientProducer,
  names: TopicNames,
  partitions: PartitionCounts,
  marker: BatchId,
  startAt: StartAt,
  onPublished: (records: number) => void
) {
  const toRecords = LogRecords.make(connection)
  let batch = marker.batch
  let position = -1
  while (true) {
    const rows = yield* connection.query<LogRecords.LogSqlRow>(
      "rebase rows",
      `SELECT ${LogRecords.LOG_COLUMNS} FROM (
         SELECT position FROM rebase_missing WHERE position > $1::bigint AND ${chosen(startAt)}
          ORDER BY position LIMIT ${PAGE}) m JOIN webhook_event_log l ON l.position = m.position
        ORDER BY l.position`,
      [position]
    )
    if (rows.length === 0) return batch
    for (const part of inTransactions(yield* toRecords(rows))) {
      const records = part.map(({ record }) => record)
      batch += 1
      yield* producer.publish(messagesOf(records, names, partitions), { batch, nonce: marker.nonce })
      onPublished(records.length)
    }
    position = Number(rows.at(-1)!.row_position)
  }
})
