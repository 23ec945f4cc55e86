import { Effect } from "effect"
import type { Act, FoundCount as Found, OpenFilter } from "../../domain/Events.ts"
import type { Connection } from "./Database.ts"
import { rowsIn, STATE } from "./eventState.ts"

export interface NameRow {
  readonly provider: string
  readonly dedup_key: string
}

/** What became of an act on one event; `missing`: there is none. */
export type ActResult = "acted" | "missing" | "done" | "processing"

/**
 * Re-drives events by name: failed or parked ones are due at once, with their counts at 0.
 *
 * Everything hangs on the row change: an event that a gate claims at this moment is either claimed before (its row no
 * longer matches after the wait, and no log row is written) or re-driven before. In a batch such rows are stepped over
 * instead of waited for; rows are locked in key order, so batches cannot deadlock with a gate's groups. Where a row that
 * this snapshot calls failed was changed by somebody else in between, one event alone is tried again on a new snapshot.
 */
const redrive = (where: string, single: boolean) => `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS v(provider, dedup_key, n)
), r AS (
  SELECT e.id, v.n, clock_timestamp() AS at FROM webhook_dedup_events e JOIN v USING (provider, dedup_key)
   WHERE ${where}
   ORDER BY e.provider, e.dedup_key
     FOR UPDATE OF e ${single ? "" : "SKIP LOCKED"}
), c AS (
  UPDATE webhook_dedup_events e
     SET attempts = 0, failures = 0, error_code = 'redriven', version = e.version + 1,
         next_attempt_at = r.at, changed_at = r.at
    FROM r WHERE e.id = r.id
  RETURNING r.n, e.provider, e.dedup_key, e.version, e.fence, e.next_attempt_at
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
  SELECT provider, dedup_key, version, 'Redriven',
         jsonb_build_object('fence', fence, 'attempts', 0, 'failures', 0,
                            'next_attempt_at', extract(epoch FROM next_attempt_at) * 1000, 'by', $3::text, 'reason', $4::text)
    FROM c ORDER BY n
)
SELECT ${
  single
    ? `CASE WHEN c.n IS NOT NULL THEN 'acted' WHEN e.id IS NULL THEN 'missing'
            WHEN e.status = 'failed' THEN CASE WHEN oncegate_repeat('redrive') THEN 'raced' END ELSE e.status END AS result
  FROM v LEFT JOIN c USING (n) LEFT JOIN webhook_dedup_events e ON e.provider = v.provider AND e.dedup_key = v.dedup_key`
    : "'acted' AS result FROM c"
}`

const ONE = redrive("e.status = 'failed'", true)

export const redriveRow = (connection: Connection, name: NameRow, act: Act) =>
  Effect.map(
    connection.query<{ result: ActResult }>("redrive", ONE, [
      [name.provider],
      [name.dedup_key],
      act.by,
      act.reason
    ]),
    ([row]) => row!.result
  )

/** Re-drives those of the names that are still in this state and that nobody holds; answers with how many. */
export const redriveRows = (
  connection: Connection,
  state: OpenFilter["state"],
  names: ReadonlyArray<NameRow>,
  act: Act
) =>
  Effect.map(
    connection.query("redrive batch", redrive(rowsIn(state), false), [
      names.map(({ provider }) => provider),
      names.map(({ dedup_key }) => dedup_key),
      act.by,
      act.reason
    ]),
    (rows) => rows.length
  )

const MATCHES = `($1::text IS NULL OR provider = $1) AND ($2::text IS NULL OR error_code = $2)
   AND first_seen_at >= coalesce($3::timestamptz, '-infinity')`
const parameters = ({ code, endpoint, since }: OpenFilter) => [
  endpoint ?? null,
  code ?? null,
  since?.toISOString() ?? null
]

/** Names of the events that a filter finds, in key order: one look at the open rows for many batches. */
export const matchingNames = (
  connection: Connection,
  filter: OpenFilter,
  after: NameRow | undefined,
  limit: number
) =>
  connection.query<NameRow>(
    "redrive names",
    `SELECT provider, dedup_key FROM webhook_dedup_events
      WHERE ${rowsIn(filter.state)} AND ${MATCHES}
        AND (provider, dedup_key) > ($4::text, $5::text)
      ORDER BY provider, dedup_key LIMIT $6::int`,
    [...parameters(filter), after?.provider ?? "", after?.dedup_key ?? "", limit]
  )

/** How many events a filter finds. */
export const countRows = (connection: Connection, filter: OpenFilter) =>
  connection.query<Found>(
    "redrive count",
    `SELECT provider AS endpoint, ${STATE} AS state, error_code, count(*)::int AS count FROM webhook_dedup_events
      WHERE ${rowsIn(filter.state)} AND ${MATCHES}
      GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC`,
    parameters(filter)
  )
