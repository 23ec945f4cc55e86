import { Effect } from "effect"
import { LOG_COLUMNS, type LogSqlRow } from "../kafka/LogRecords.ts"
import type { Connection } from "../postgres/Database.ts"
import { type Place, WANTED } from "../postgres/LogReader.ts"

/** A part of the log; null is open. Positions are inclusive; times are of the rows, `to` is not. */
export interface ReplayRange {
  readonly endpoint: string | null
  readonly fromPosition: number | null
  readonly toPosition: number | null
  readonly fromTime: string | null
  readonly toTime: string | null
}

/**
 * Of the range, what was published when the replay began: that set never changes, so a replay that goes on later misses
 * nothing that was committed late under a lower position.
 */
const WITHIN = `
  FROM webhook_event_log l
 WHERE l.position > $1::bigint
   AND (pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot)
        OR (l.position <= $4::bigint AND pg_visible_in_snapshot(l.xid, $3::text::pg_snapshot)))
   AND ($5::text IS NULL OR l.provider = $5)
   AND l.position >= coalesce($6::bigint, 0) AND l.position <= coalesce($7::bigint, 9223372036854775807)
   AND l.at >= coalesce($8::timestamptz, '-infinity') AND l.at < coalesce($9::timestamptz, 'infinity')
   AND ${WANTED}`

const parameters = (range: ReplayRange, place: Place, after: number) => [
  after,
  place.from,
  place.to,
  place.position,
  range.endpoint,
  range.fromPosition,
  range.toPosition,
  range.fromTime,
  range.toTime
]

export const count = (connection: Connection, range: ReplayRange, place: Place, after: number) =>
  Effect.map(
    connection.query<{ facts: string; outcomes: string; last: string | null }>(
      "replay count",
      `SELECT count(*) FILTER (WHERE l.type = 'BillingEventRecorded') AS facts,
              count(*) FILTER (WHERE l.type <> 'BillingEventRecorded') AS outcomes, max(l.position) AS last ${WITHIN}`,
      parameters(range, place, after)
    ),
    ([row]) => ({ facts: Number(row!.facts), outcomes: Number(row!.outcomes) })
  )

export const page = (connection: Connection, range: ReplayRange, place: Place, after: number, rows: number) =>
  connection.query<LogSqlRow>(
    "replay page",
    `SELECT ${LOG_COLUMNS} ${WITHIN} ORDER BY l.position LIMIT ${Math.trunc(rows)}`,
    parameters(range, place, after)
  )
