import type { EndpointStatus } from "../../domain/GateStatus.ts"
import type { Connection } from "./Database.ts"
import { OPEN, STATE } from "./eventState.ts"
import { WANTED } from "./LogReader.ts"

/** Past this many rows a count is not worth its time. */
const COUNTED = 20_000

export type OpenRow = Omit<EndpointStatus, "done_last_hour" | "unpublished">

/**
 * What is not done, by endpoint: every configured endpoint has a row. Reads open rows only (`idx_webhook_dedup_status`),
 * however many are done.
 */
export const openRows = (connection: Connection) =>
  connection.query<OpenRow>(
    "status open",
    `WITH e AS MATERIALIZED (
       SELECT provider, dedup_key, first_seen_at, ${STATE} AS state FROM webhook_dedup_events WHERE ${OPEN}
     ), counted AS (
       SELECT provider, ${[
         "processing",
         "retry_scheduled",
         "unconfirmed",
         "parked",
         "conflict",
         "quarantined"
       ]
         .map((state) => `(count(*) FILTER (WHERE state = '${state}'))::int AS ${state}`)
         .join(", ")}, min(first_seen_at) AS oldest
         FROM e GROUP BY provider
     )
     SELECT endpoint, coalesce(processing, 0) AS processing, coalesce(retry_scheduled, 0) AS retry_scheduled,
            coalesce(unconfirmed, 0) AS unconfirmed, coalesce(parked, 0) AS parked, coalesce(conflict, 0) AS conflict,
            coalesce(quarantined, 0) AS quarantined,
            (SELECT min(dedup_key) FROM e WHERE e.provider = endpoint AND first_seen_at = oldest) AS oldest_open_key,
            extract(epoch FROM clock_timestamp() - oldest)::float8 AS oldest_open_seconds
       FROM (SELECT name AS endpoint FROM webhook_endpoints UNION SELECT provider FROM counted) names
       LEFT JOIN counted ON counted.provider = endpoint
      ORDER BY endpoint`
  )

/** Done within the hour of their first sight; `all` tells how many rows were looked at. By `idx_webhook_dedup_first_seen`. */
export const doneLastHour = (connection: Connection) =>
  connection.query<{ endpoint: string; done: number; complete: boolean }>(
    "status done",
    `WITH recent AS MATERIALIZED (
       SELECT provider, status FROM webhook_dedup_events
        WHERE first_seen_at > now() - interval '1 hour' ORDER BY first_seen_at DESC LIMIT ${COUNTED + 1}
     )
     SELECT provider AS endpoint, (count(*) FILTER (WHERE status = 'done'))::int AS done,
            (SELECT count(*) FROM recent) <= ${COUNTED} AS complete
       FROM recent GROUP BY provider`
  )

/**
 * Claims of the last ten minutes, at most the newest `COUNTED`, and how many of them the provider does not know: as its
 * API said, or as far as its list of payments tells (`provider_busy`).
 */
export const recentClaimRows = (connection: Connection) =>
  connection.query<{ endpoint: string; claims: number; unconfirmed: number }>(
    "status claims",
    `SELECT provider AS endpoint, count(*)::int AS claims,
            (count(*) FILTER (WHERE status = 'failed' AND error_code IN ('unconfirmed', 'provider_busy')))::int AS unconfirmed
       FROM (SELECT provider, status, error_code FROM webhook_dedup_events
              WHERE first_seen_at > now() - interval '10 minutes' ORDER BY first_seen_at DESC LIMIT ${COUNTED}) recent
      GROUP BY provider`
  )

/** Where the relay stood last. */
export const relayRow = (connection: Connection) =>
  connection.query<{
    readonly from_snapshot: string | null
    readonly to_snapshot: string | null
    readonly row_position: string | null
    readonly confirmed_at: string | null
    readonly head: string
    readonly now: string
  }>(
    "status relay",
    `SELECT c.from_snapshot, c.to_snapshot, c.position::text AS row_position,
            to_char(c.confirmed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS confirmed_at,
            (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM webhook_event_log_position_seq)::text AS head,
            to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS now
       FROM (SELECT) one LEFT JOIN (
         SELECT * FROM relay_checkpoint WHERE confirmed_at IS NOT NULL ORDER BY batch DESC LIMIT 1) c ON true`
  )

/**
 * Rows that a topic wants and that are not in Kafka: what became visible after the checkpoint's first snapshot, without
 * what its difference has published already. At most `COUNTED` rows by transaction id are looked at, in its order: that
 * keeps the planner on `webhook_event_log_xid`, which knows nothing of how selective a snapshot is.
 */
export const unpublishedRows = (connection: Connection, from: string, to: string, position: string) =>
  connection.query<{ endpoint: string; waiting: number; oldest: number | null; complete: boolean }>(
    "status unpublished",
    `WITH looked AS MATERIALIZED (
       (SELECT provider, position, xid, type, at FROM webhook_event_log
         WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) ORDER BY xid LIMIT ${COUNTED + 1})
       UNION ALL
       (SELECT provider, position, xid, type, at FROM webhook_event_log
         WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot))) LIMIT ${COUNTED + 1})
     ), total AS (
       SELECT count(*) <= ${COUNTED} AS complete FROM looked
     )
     SELECT coalesce(l.provider, '') AS endpoint, count(l.position)::int AS waiting, complete,
            extract(epoch FROM clock_timestamp() - min(l.at))::float8 AS oldest
       FROM total LEFT JOIN looked l ON ${WANTED}
            AND NOT (pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot) AND l.position <= $3::bigint)
      GROUP BY l.provider, complete`,
    [from, to, position]
  )

/**
 * The same in the middle of a difference that is too large to be counted: of the rows that come next, as many positions
 * as are worth their time. By the log's primary key.
 */
export const nextRows = (connection: Connection, from: string, position: string) =>
  connection.query<{ endpoint: string; waiting: number; oldest: number | null }>(
    "status next",
    `SELECT l.provider AS endpoint, count(*)::int AS waiting, extract(epoch FROM clock_timestamp() - min(l.at))::float8 AS oldest
       FROM webhook_event_log l
      WHERE l.position > $2::bigint AND l.position <= $2::bigint + ${COUNTED}
        AND NOT pg_visible_in_snapshot(l.xid, $1::text::pg_snapshot) AND ${WANTED}
      GROUP BY l.provider`,
    [from, position]
  )
