import { Effect } from "effect"
import type { Connection } from "./Database.ts"

/** Rows that one batch deletes at most. */
const PAGE = 100
/** Rows of the log that one batch walks: about a third of them are ends of events. */
const LOG_PAGE = 300

const CUTOFF = `clock_timestamp() - $1::bigint * interval '1 ms'`

/**
 * Bodies, by the log: it tells in the order of time which events ended, so no index on bodies or rows is needed, and
 * each row of the log is walked twice in its life. The sweep ends before the first row that is too young.
 *
 * Whoever has the mark sweeps; the others pass by. Bodies are locked in key order, for the sweep of the other mark and a
 * rotation of keys may be at them too. A done event stays done, so what its row said in this snapshot still
 * holds at the deletion; a key that was purged and claimed anew in between has another body, which this snapshot cannot
 * see. What is passed by here (a body of a done event that a longer retention kept) goes with its key at last.
 */
const bodies = (factless: boolean) => `
WITH mark AS (
  SELECT what, log_position, ${CUTOFF} AS cutoff FROM retention_marks
   WHERE what = '${factless ? "bodies_without_fact" : "bodies"}' FOR UPDATE SKIP LOCKED
), page AS MATERIALIZED (
  SELECT l.*, mark.cutoff FROM mark, LATERAL (
    SELECT position, provider, dedup_key, type, data, at FROM webhook_event_log
     WHERE position > mark.log_position ORDER BY position LIMIT ${LOG_PAGE}) l
), old AS (
  SELECT * FROM page WHERE position < coalesce((SELECT min(position) FROM page WHERE at >= cutoff), 9223372036854775807)
), due AS (
  SELECT p.provider, p.dedup_key FROM webhook_payloads p, old o, webhook_dedup_events e
   WHERE o.type IN ('Completed', 'Dismissed', 'Reinterpreted')
     ${
       factless
         ? ""
         : `AND (o.type <> 'Completed' OR jsonb_array_length(o.data->'effects') > 0 OR o.data->>'note' = 'effect_already_recorded')`
     }
     AND p.provider = o.provider AND p.dedup_key = o.dedup_key
     AND e.provider = o.provider AND e.dedup_key = o.dedup_key AND e.status = 'done' AND e.changed_at < o.cutoff
   ORDER BY p.provider, p.dedup_key FOR UPDATE OF p
), gone AS (
  DELETE FROM webhook_payloads p USING due WHERE p.provider = due.provider AND p.dedup_key = due.dedup_key
  RETURNING 1
), moved AS (
  UPDATE retention_marks m
     SET log_position = (SELECT max(position) FROM old), gone_before = greatest(m.gone_before, mark.cutoff)
    FROM mark WHERE m.what = mark.what AND EXISTS (SELECT FROM old)
)
SELECT (SELECT count(*) FROM gone)::int AS deleted, (SELECT count(*) FROM old)::int = ${LOG_PAGE} AS more`

interface Counts {
  readonly deleted: number
  readonly more: boolean
}
const one = (rows: ReadonlyArray<Counts>): Counts => rows[0] ?? { deleted: 0, more: false }

export const sweepBodies = (connection: Connection, afterMs: number, factless: boolean) =>
  Effect.map(connection.query<Counts>("retention bodies", bodies(factless), [afterMs]), one)

/** Where a walk over keys has come to; rows that stay (open, or done late) are passed once a round. */
export interface KeyPlace {
  readonly micros: string
  readonly id: string
}

/**
 * Keys, by the index on their first sight, which the earlier gate's schema brought along: who was seen too lately cannot
 * be done for long. With each key goes a body that may be left, for a later claim of the same key must find none.
 *
 * Wins against a redelivery at the same moment: its insert waits for this commit and then claims anew; booked effects
 * keep it from booking twice. Rows that somebody holds are passed by.
 */
const KEYS = `
WITH mark AS (
  SELECT what, ${CUTOFF} AS cutoff FROM retention_marks WHERE what = 'keys' FOR UPDATE SKIP LOCKED
), seen AS MATERIALIZED (
  SELECT e.id, e.first_seen_at, e.status = 'done' AND e.changed_at < mark.cutoff AS due FROM mark, LATERAL (
    SELECT id, first_seen_at, status, changed_at FROM webhook_dedup_events
     WHERE first_seen_at < mark.cutoff
       AND (first_seen_at, id) > ('1970-01-01Z'::timestamptz + $2::bigint * interval '1 microsecond', $3::bigint)
     ORDER BY first_seen_at, id LIMIT ${PAGE}) e
), pick AS (
  SELECT e.id, e.provider, e.dedup_key FROM webhook_dedup_events e JOIN seen USING (id), mark
   WHERE due AND e.status = 'done' AND e.changed_at < mark.cutoff
   ORDER BY e.provider, e.dedup_key FOR UPDATE OF e SKIP LOCKED
), bodies AS (
  DELETE FROM webhook_payloads p USING pick WHERE p.provider = pick.provider AND p.dedup_key = pick.dedup_key
), gone AS (
  DELETE FROM webhook_dedup_events e USING pick WHERE e.id = pick.id RETURNING 1
), moved AS (
  UPDATE retention_marks m SET gone_before = greatest(m.gone_before, mark.cutoff)
    FROM mark WHERE m.what = mark.what AND EXISTS (SELECT FROM pick)
), last AS (
  SELECT first_seen_at, id FROM seen ORDER BY first_seen_at DESC, id DESC LIMIT 1
)
SELECT (SELECT count(*) FROM gone)::int AS deleted, (SELECT count(*) FROM seen)::int = ${PAGE} AS more,
       (SELECT (extract(epoch FROM first_seen_at) * 1000000)::bigint::text FROM last) AS micros,
       (SELECT id::text FROM last) AS id`

export const purgeKeys = (connection: Connection, afterMs: number, from: KeyPlace) =>
  Effect.map(
    connection.query<Counts & { readonly micros: string | null; readonly id: string | null }>(
      "retention keys",
      KEYS,
      [afterMs, from.micros, from.id]
    ),
    ([row]) => ({
      deleted: row?.deleted ?? 0,
      more: row?.more === true,
      place: row?.micros == null || row.id === null ? from : { micros: row.micros, id: row.id }
    })
  )

/** Transmissions, oldest first, by the index that only their insert writes. A copy that another gate deletes is passed by. */
const TRANSMISSIONS = `
WITH pick AS (
  SELECT provider, transmission_id, crc32 FROM webhook_transmissions WHERE seen_at < ${CUTOFF}
   ORDER BY seen_at LIMIT ${PAGE} FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM webhook_transmissions t USING pick
   WHERE t.provider = pick.provider AND t.transmission_id = pick.transmission_id AND t.crc32 = pick.crc32 RETURNING 1
)
SELECT (SELECT count(*) FROM gone)::int AS deleted, (SELECT count(*) FROM pick)::int = ${PAGE} AS more`

export const purgeTransmissions = (connection: Connection, afterMs: number) =>
  Effect.map(connection.query<Counts>("retention transmissions", TRANSMISSIONS, [afterMs]), one)
