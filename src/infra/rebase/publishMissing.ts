import { Effect } from "effect"
import * as LogRecords from "../kafka/LogRecords.ts"
import { inTransactions, messagesOf } from "../kafka/Messages.ts"
import type { FencedProducer } from "../kafka/Producer.ts"
import type { TopicNames } from "../kafka/Topics.ts"
import type { Connection } from "../postgres/Database.ts"
import type { BatchId } from "../postgres/RelayCheckpoint.ts"
import { chosen } from "./compare.ts"
import type { StartAt } from "./StartAt.ts"

const PAGE = 2_000

/**
 * Publishes what no topic holds, in the order of the log, in transactions that carry the marker of this rebase: broken
 * off anywhere, the relay stays refused and the next rebase finds what arrived in the topics.
 */
export const publishMissing = Effect.fnUntraced(function* (
  connection: Connection,
  producer: FencedProducer,
  names: TopicNames,
  marker: BatchId,
  startAt: StartAt,
  onPublished: (records: number) => void
) {
  const toRecords = LogRecords.make(connection)
  const published = { facts: 0, outcomes: 0 }
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
    if (rows.length === 0) return published
    for (const part of inTransactions(yield* toRecords(rows))) {
      const records = part.map(({ record }) => record)
      yield* producer.publish(messagesOf(records, names), marker)
      const facts = records.filter(({ topic }) => topic === "events").length
      published.facts += facts
      published.outcomes += records.length - facts
      onPublished(records.length)
    }
    position = Number(rows.at(-1)!.row_position)
  }
})
