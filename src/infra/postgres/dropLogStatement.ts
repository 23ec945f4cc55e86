import { Effect } from "effect"
import { type Connection, Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"

/** The oldest partition that has a range, and where its range ends. */
const OLDEST = `
SELECT c.relname AS name, (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''?(\\d+)'))[1]::bigint AS upper
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'webhook_event_log'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
 ORDER BY 2 LIMIT 1`

/**
 * Whether a partition is published and old. Published: its last transaction is older than all that the relay's confirmed
 * checkpoint may still have to read. Old: its last rows are, by position and by transaction. Full: the sequence is past it.
 * Each is a look into an index.
 */
const isPublishedAndOld = (name: string, upper: string, afterMs: number) => `
(SELECT last_value FROM webhook_event_log_position_seq) >= ${upper}
   AND NOT EXISTS (
     SELECT FROM (SELECT xid FROM ${name} ORDER BY xid DESC LIMIT 1) last
      WHERE last.xid >= coalesce(
        (SELECT pg_snapshot_xmin(from_snapshot::pg_snapshot) FROM relay_checkpoint
          WHERE confirmed_at IS NOT NULL ORDER BY batch DESC LIMIT 1), '0'::xid8))
   AND NOT EXISTS (
     SELECT FROM ((SELECT at FROM ${name} ORDER BY xid DESC LIMIT 1)
                  UNION ALL (SELECT at FROM ${name} ORDER BY position DESC LIMIT 1)) last
      WHERE last.at >= clock_timestamp() - ${afterMs} * interval '1 ms')`

/**
 * Whether nobody will write to a partition again, and no row that is not done has a row of its log there. Whoever drew a
 * position of it did so before the next partition began, so it is an ended transaction once no transaction of that age
 * runs. This costs a look for each open event, so it is asked without locks: what it found cannot change.
 */
const isClosed = (name: string, upper: string) => `
pg_snapshot_xmin(pg_current_snapshot()) >
     (SELECT xid FROM webhook_event_log WHERE position >= ${upper} ORDER BY position LIMIT 1)
   AND NOT EXISTS (
     SELECT FROM webhook_dedup_events e
      WHERE e.status IN ('processing', 'failed')
        AND EXISTS (SELECT FROM ${name} l WHERE l.provider = e.provider AND l.dedup_key = e.dedup_key))`

/**
 * Looks once more whether the relay still needs it: a checkpoint may have been set back. The mark moves in the commit of
 * the drop. Locks are taken from the whole to the part, as every reader does.
 */
const drop = (name: string, upper: string, afterMs: number, lastAt: string) => `
DO $$ BEGIN
  SET LOCAL lock_timeout = '200ms';
  LOCK TABLE ONLY webhook_event_log IN ACCESS EXCLUSIVE MODE;
  LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE;
  IF ${isPublishedAndOld(name, upper, afterMs)} THEN
    UPDATE retention_marks
       SET log_position = greatest(log_position, ${upper}), gone_before = greatest(gone_before, '${lastAt}'::timestamptz)
     WHERE what = 'log';
    DROP TABLE ${name};
  END IF;
END $$`

/**
 * Drops the oldest partition of the log where nobody needs it any more; whoever has the lock works, the others pass by.
 *
 * A drop needs the whole log for a moment (with a default partition it cannot be detached concurrently): it asks for
 * 200 ms, holding up claims for no longer, and tries again next time. What was checked before it cannot change: a done
 * event never opens again, and a key that is claimed anew writes to the newest partition.
 */
export const dropOldestPartition = (afterMs: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = yield* Database
      const connection: Connection = yield* database.session("retention", 300_000)
      yield* connection.script(
        "retention session",
        "SET statement_timeout = '290s'; SET idle_in_transaction_session_timeout = 0"
      )
      const [lock] = yield* connection.query<{ taken: boolean }>(
        "retention lock",
        "SELECT pg_try_advisory_lock(hashtextextended('oncegate retention ' || current_schema(), 0)) AS taken"
      )
      if (lock?.taken !== true) return false
      const [oldest] = yield* connection.query<{ name: string; upper: string }>("retention partition", OLDEST)
      if (oldest === undefined || !/^webhook_event_log_\d+$/.test(oldest.name) || !/^\d+$/.test(oldest.upper))
        return false
      const { name, upper } = oldest
      const [verdict] = yield* connection.query<{ may_go: boolean; last_at: string }>(
        "retention verdict",
        `SELECT may_go, CASE WHEN may_go THEN (SELECT coalesce(max(at), '-infinity')::text FROM ${name}) END AS last_at
           FROM (SELECT ${isPublishedAndOld(name, upper, Math.trunc(afterMs))} AND ${isClosed(name, upper)} AS may_go OFFSET 0) verdict`
      )
      if (verdict?.may_go !== true) return false
      return yield* connection
        .script("retention drop", drop(name, upper, Math.trunc(afterMs), verdict.last_at))
        .pipe(
          Effect.as(true),
          // Somebody reads or writes the log at this moment.
          Effect.catchIf(
            ({ code }: DatabaseError) => code === "55P03",
            () => Effect.succeed(false)
          )
        )
    })
  )
