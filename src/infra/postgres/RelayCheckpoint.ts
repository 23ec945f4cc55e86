import { Effect } from "effect"
import type { Connection } from "./Database.ts"
import { held, type Leadership, LeadershipLost } from "./LeaderLock.ts"
import type { Place } from "./LogReader.ts"

/** What a batch is known by on both sides: as offset and metadata in Kafka, as a row in Postgres. */
export interface BatchId {
  readonly batch: number
  readonly nonce: string
}

/** Where the topics end: the offsets behind their last records, all partitions together. */
export interface Reached {
  readonly events: number
  readonly outcomes: number
}

/** A batch that Kafka has. */
export interface Published extends BatchId {
  /** Once it was there; not known of one that an earlier process published, nor behind a rebase. */
  readonly reached?: Reached | undefined
}

/** A batch as Postgres knows it: the place at which the log was once it was published. */
export interface BatchRow extends Published {
  readonly place: Place
  readonly clusterId: string
}

/** The Postgres side of the checkpoint. */
export interface Standing {
  readonly confirmed: BatchRow | undefined
  /** Written, and not known to be committed in Kafka. There is never more than one. */
  readonly open: BatchRow | undefined
}

/** Confirmed rows that are kept, for people who look into what happened. */
const KEPT = 500
/** How far back a pace is looked at. */
const PACE_SECONDS = 10

interface SqlRow {
  readonly batch_number: string
  readonly nonce: string
  readonly from_snapshot: string
  readonly to_snapshot: string
  readonly position: string
  readonly kafka_cluster_id: string
  readonly events_end: string | null
  readonly outcomes_end: string | null
  readonly confirmed: boolean
}
const toRow = (row: SqlRow | undefined): BatchRow | undefined =>
  row && {
    batch: Number(row.batch_number),
    nonce: row.nonce,
    place: { from: row.from_snapshot, to: row.to_snapshot, position: Number(row.position) },
    clusterId: row.kafka_cluster_id,
    reached:
      row.events_end === null || row.outcomes_end === null
        ? undefined
        : { events: Number(row.events_end), outcomes: Number(row.outcomes_end) }
  }

/** The last confirmed batch and the open one after it. */
export const read = ({ connection }: Pick<Leadership, "connection">) =>
  Effect.map(
    connection.query<SqlRow>(
      "checkpoint.read",
      `SELECT c.batch AS batch_number, c.nonce, c.from_snapshot, c.to_snapshot, c.position, c.kafka_cluster_id,
              c.events_end, c.outcomes_end, c.confirmed_at IS NOT NULL AS confirmed
         FROM relay_checkpoint c ORDER BY c.batch DESC LIMIT 2`
    ),
    (rows): Standing => ({
      confirmed: toRow(rows.find((row) => row.confirmed)),
      open: toRow(rows.find((row) => !row.confirmed))
    })
  )

/** A statement that only the leader's own session runs; nothing back means that the session is another one now. */
const asLeader = (leader: Leadership, statement: string, text: string, parameters: ReadonlyArray<unknown>) =>
  Effect.flatMap(leader.connection.query(statement, text, [leader.token, ...parameters]), (rows) =>
    rows.length === 0 ? Effect.fail(new LeadershipLost()) : Effect.void
  )

/**
 * Writes the batch that is about to be published and confirms the one before it, in one commit. A relay that lost its
 * session cannot write over its successor: not even a statement that comes late, for the number is taken by then.
 */
export const open = (leader: Leadership, row: BatchRow, before: Published | undefined) =>
  asLeader(
    leader,
    "checkpoint.open",
    `WITH confirmed AS (
       UPDATE relay_checkpoint SET confirmed_at = clock_timestamp(), events_end = $10::bigint, outcomes_end = $11::bigint
        WHERE batch = $8::bigint AND nonce = $9::uuid AND confirmed_at IS NULL AND ${held(1)}
     ), pruned AS (
       DELETE FROM relay_checkpoint
        WHERE $2::bigint % 100 = 0 AND batch < $2::bigint - ${KEPT} AND confirmed_at IS NOT NULL AND ${held(1)}
     )
     INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id)
     SELECT $2::bigint, $3::uuid, $4, $5, $6::bigint, $7 WHERE ${held(1)}
     RETURNING 1`,
    [
      row.batch,
      row.nonce,
      row.place.from,
      row.place.to,
      row.place.position,
      row.clusterId,
      before?.batch ?? null,
      before?.nonce ?? null,
      before?.reached?.events ?? null,
      before?.reached?.outcomes ?? null
    ]
  )

/** Kafka has it. Repeating this changes nothing. */
export const confirm = (leader: Leadership, { batch, nonce, reached }: Published) =>
  asLeader(
    leader,
    "checkpoint.confirm",
    `UPDATE relay_checkpoint SET confirmed_at = coalesce(confirmed_at, clock_timestamp()),
            events_end = $4::bigint, outcomes_end = $5::bigint
      WHERE batch = $2::bigint AND nonce = $3::uuid AND ${held(1)} RETURNING 1`,
    [batch, nonce, reached?.events ?? null, reached?.outcomes ?? null]
  )

/** Kafka does not have it and never will: the relay that wrote it is fenced and its transaction aborted. */
export const remove = (leader: Leadership, { batch, nonce }: BatchId) =>
  asLeader(
    leader,
    "checkpoint.remove",
    `DELETE FROM relay_checkpoint
      WHERE batch = $2::bigint AND nonce = $3::uuid AND confirmed_at IS NULL AND ${held(1)} RETURNING 1`,
    [batch, nonce]
  )

/**
 * Positions of the log that the relay passed by each second lately, whoever it is; null where it wrote no two batches.
 * Between two differences of the log a position goes back: such a step counts for nothing.
 */
export const pace = (connection: Connection) =>
  Effect.map(
    connection.query<{ rows: number | null }>(
      "checkpoint.pace",
      `SELECT (sum(greatest(0, step)) / nullif(extract(epoch FROM max(created_at) - min(created_at)), 0))::float8 AS rows
         FROM (SELECT created_at, position - lag(position) OVER (ORDER BY batch) AS step
                 FROM (SELECT * FROM relay_checkpoint ORDER BY batch DESC LIMIT ${KEPT}) c
                WHERE created_at > clock_timestamp() - interval '${PACE_SECONDS} seconds') steps`
    ),
    ([row]) => row?.rows ?? null
  )
