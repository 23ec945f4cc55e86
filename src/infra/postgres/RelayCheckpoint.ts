import { Effect } from "effect"
import { held, type Leadership, LeadershipLost } from "./LeaderLock.ts"
import type { Place } from "./LogReader.ts"

/** What a batch is known by on both sides: as offset and metadata in Kafka, as a row in Postgres. */
export interface BatchId {
  readonly batch: number
  readonly nonce: string
}

/** A batch as Postgres knows it: the place at which the log was once it was published. */
export interface BatchRow extends BatchId {
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

interface SqlRow {
  readonly batch_number: string
  readonly nonce: string
  readonly from_snapshot: string
  readonly to_snapshot: string
  readonly position: string
  readonly kafka_cluster_id: string
  readonly confirmed: boolean
}
const toRow = (row: SqlRow | undefined): BatchRow | undefined =>
  row && {
    batch: Number(row.batch_number),
    nonce: row.nonce,
    place: { from: row.from_snapshot, to: row.to_snapshot, position: Number(row.position) },
    clusterId: row.kafka_cluster_id
  }

/** The last confirmed batch and the open one after it. */
export const read = ({ connection }: Pick<Leadership, "connection">) =>
  Effect.map(
    connection.query<SqlRow>(
      "checkpoint.read",
      `SELECT c.batch AS batch_number, c.nonce, c.from_snapshot, c.to_snapshot, c.position, c.kafka_cluster_id,
              c.confirmed_at IS NOT NULL AS confirmed
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
export const open = (leader: Leadership, row: BatchRow, before: BatchId | undefined) =>
  asLeader(
    leader,
    "checkpoint.open",
    `WITH confirmed AS (
       UPDATE relay_checkpoint SET confirmed_at = clock_timestamp()
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
      before?.nonce ?? null
    ]
  )

/** Kafka has it. Repeating this changes nothing. */
export const confirm = (leader: Leadership, { batch, nonce }: BatchId) =>
  asLeader(
    leader,
    "checkpoint.confirm",
    `UPDATE relay_checkpoint SET confirmed_at = coalesce(confirmed_at, clock_timestamp())
      WHERE batch = $2::bigint AND nonce = $3::uuid AND ${held(1)} RETURNING 1`,
    [batch, nonce]
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
