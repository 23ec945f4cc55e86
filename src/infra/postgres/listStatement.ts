import { Effect } from "effect"
import type { ListFilter } from "../../domain/Events.ts"
import type { EventSummary } from "../../domain/EventView.ts"
import type { Connection } from "./Database.ts"
import { rowsIn, STATE } from "./eventState.ts"

/** Place of a row in the list: its first sight, in microseconds of the database's clock, and its id. */
export interface ListPlace {
  readonly micros: string
  readonly id: string
}

/** Columns of a line. Times leave as text: a `Date` would cut the microseconds that places are made of. */
export const SUMMARY = `
  provider AS endpoint, dedup_key, ${STATE} AS state, error_code, event_type, attempts, failures,
  to_char(first_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS first_seen_at,
  to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS changed_at,
  CASE WHEN next_attempt_at < 'infinity'
       THEN to_char(next_attempt_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS next_attempt_at`

/**
 * A page of events, newest first. Goes by (first sight, id), which no event ever changes and nobody else has: what
 * arrives while somebody turns pages stands before the first page, and moves nothing on the later ones.
 */
const list = (filter: ListFilter) => `
SELECT ${SUMMARY}, (extract(epoch FROM first_seen_at) * 1000000)::bigint::text AS place_micros, id::text AS place_id
  FROM webhook_dedup_events
 WHERE ${filter.state === undefined ? "true" : rowsIn(filter.state)}
   AND ($1::text IS NULL OR provider = $1) AND ($2::text IS NULL OR error_code = $2)
   AND first_seen_at >= coalesce($3::timestamptz, '-infinity')
   AND (first_seen_at, id) < (coalesce(timestamptz 'epoch' + $4::bigint * interval '1 microsecond', 'infinity'), coalesce($5::bigint, 0))
 ORDER BY webhook_dedup_events.first_seen_at DESC, id DESC
 LIMIT $6::int`

export const listRows = Effect.fnUntraced(function* (
  connection: Connection,
  filter: ListFilter,
  limit: number,
  after: ListPlace | undefined
) {
  const rows = yield* connection.query<EventSummary & { place_micros: string; place_id: string }>(
    "events list",
    list(filter),
    [
      filter.endpoint ?? null,
      filter.code ?? null,
      filter.since?.toISOString() ?? null,
      after?.micros ?? null,
      after?.id ?? null,
      limit
    ]
  )
  const last = rows.at(-1)
  return {
    events: rows.map(({ place_id: _id, place_micros: _micros, ...event }): EventSummary => event),
    last: last && ({ micros: last.place_micros, id: last.place_id } satisfies ListPlace)
  }
})
