import { Effect } from "effect"
import { held, type Leadership, LeadershipLost } from "../postgres/LeaderLock.ts"
import type { BatchRow } from "../postgres/RelayCheckpoint.ts"

/**
 * Puts an open row in the place of whatever is open, in one commit, and only in the leader's own session. Nobody can
 * confirm a row between: the others are fenced, and hold no lock.
 */
export const replaceOpen = (leader: Leadership, row: BatchRow) =>
  Effect.flatMap(
    leader.connection.query(
      "rebase open",
      `WITH gone AS (
         DELETE FROM relay_checkpoint WHERE confirmed_at IS NULL AND ${held(1)}
       )
       INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id)
       SELECT $2::bigint, $3::uuid, $4, $5, $6::bigint, $7 WHERE ${held(1)} RETURNING 1`,
      [leader.token, row.batch, row.nonce, row.place.from, row.place.to, row.place.position, row.clusterId]
    ),
    (rows) => (rows.length === 0 ? Effect.fail(new LeadershipLost()) : Effect.void)
  )
