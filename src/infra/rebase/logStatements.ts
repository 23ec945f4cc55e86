import { Effect } from "effect"
import type { Connection } from "../postgres/Database.ts"

/**
 * Gives rows of another server's transactions one of this server's: with ids from its future they would become visible
 * by chance. The order of a key is that of its positions, which stay. The log is append-only to everybody, so its owner
 * lifts the trigger for this one transaction; who writes meanwhile waits, and is told to come again.
 */
export const adoptDump = (connection: Connection) =>
  connection.script(
    "rebase adopt",
    `BEGIN;
     SET LOCAL lock_timeout = '10s';
     LOCK TABLE webhook_event_log IN SHARE ROW EXCLUSIVE MODE;
     ALTER TABLE webhook_event_log DISABLE TRIGGER webhook_event_log_append_only;
     UPDATE webhook_event_log SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot());
     ALTER TABLE webhook_event_log ENABLE TRIGGER webhook_event_log_append_only;
     COMMIT`
  )

/** Positions of a history that was undone are not given again: ce_sequence goes on behind them. */
export const skipPositions = (connection: Connection) =>
  Effect.andThen(
    connection.query(
      "rebase sequence",
      `SELECT setval('webhook_event_log_position_seq', t.highest)
         FROM (SELECT max(position) AS highest FROM rebase_topic) t
        WHERE t.highest > (SELECT last_value FROM webhook_event_log_position_seq)`
    ),
    connection.query("rebase extend", "SELECT webhook_event_log_extend()")
  )
