import type postgres from "postgres"
import type { ConsumedEvent, Origin } from "./ConsumedEvent.ts"
import type { Identity } from "./decode.ts"

/**
 * The kit's one table, in the consumer's own Postgres, in the first schema of the `search_path`. A row is written in
 * the transaction of the handler: it stands if and only if the handler's work stands. Every statement of it may be
 * run again.
 */
export const INBOX_DDL = `
CREATE TABLE IF NOT EXISTS oncegate_inbox (
  consumer      TEXT        NOT NULL,   -- whose inbox: the consumer group, unless named otherwise
  event_id      TEXT        NOT NULL,   -- ce_id
  event_type    TEXT,                   -- ce_type
  record_key    TEXT,                   -- key of the record: the scope of order
  sequence      TEXT        NOT NULL,   -- ce_sequence: order within the key
  topic         TEXT        NOT NULL,   -- where the record stood that this row tells of
  "partition"   INT         NOT NULL,
  "offset"      BIGINT      NOT NULL,
  outcome       TEXT        NOT NULL CHECK (outcome IN ('handled', 'dead_lettered', 'dismissed')),
  error_class   TEXT,                   -- of what was dead-lettered; never a message
  at            TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, event_id)
);
CREATE INDEX IF NOT EXISTS idx_oncegate_inbox_dead
    ON oncegate_inbox (consumer, record_key, sequence) WHERE outcome = 'dead_lettered';
`

/** Creates the table where it is missing. Several starts at once are no harm. Needs the right to create in the schema. */
export const migrateInbox = async (sql: postgres.Sql): Promise<void> => {
  const [found] = await sql<
    [{ present: boolean }]
  >`SELECT to_regclass('idx_oncegate_inbox_dead') IS NOT NULL AS present`
  if (found.present) return
  // One implicit transaction; the lock is for `IF NOT EXISTS`, which two sessions at once do not survive.
  await sql
    .unsafe(
      `SELECT pg_advisory_xact_lock(hashtextextended('oncegate_inbox ' || current_schema(), 0)); ${INBOX_DDL}`
    )
    .simple()
}

export interface Entry extends Identity {
  readonly consumer: string
  readonly origin: Origin
}

export type Admission = "new" | "duplicate" | "blocked"

/**
 * First statement of a handler's transaction. A second delivery of the event, here or at another member, waits at the
 * primary key until this transaction has ended; then it finds the row, or takes the place of one that was rolled back.
 *
 * A dead-lettered event is let in again when it comes by another way (read from the dead-letter topic, or replayed), but
 * not when the same record is only delivered again. The settings let the server end a member that froze in the middle.
 */
export const admit = async (
  tx: postgres.TransactionSql,
  { consumer, id, type, key, sequence, origin }: Entry,
  options: { readonly blockKeys: boolean; readonly limitMs: number }
): Promise<Admission> => {
  const limit = String(options.limitMs)
  const [row] = await tx<Array<{ settings: unknown }>>`
    WITH settings AS MATERIALIZED (
      SELECT set_config('idle_in_transaction_session_timeout', ${limit}, true),
             set_config('statement_timeout', ${limit}, true)
    ), blocked AS (
      SELECT 1 FROM oncegate_inbox
       WHERE ${options.blockKeys} AND consumer = ${consumer} AND record_key = ${key}
         AND outcome = 'dead_lettered' AND sequence < ${sequence} LIMIT 1
    )
    INSERT INTO oncegate_inbox AS known
           (consumer, event_id, event_type, record_key, sequence, topic, "partition", "offset", outcome)
    SELECT ${consumer}, ${id}, ${type}, ${key}, ${sequence},
           ${origin.topic}, ${origin.partition}::int, ${origin.offset}::bigint, 'handled'
      FROM settings WHERE NOT EXISTS (SELECT FROM blocked)
    ON CONFLICT (consumer, event_id) DO UPDATE
       SET outcome = 'handled', error_class = NULL, at = clock_timestamp(),
           topic = EXCLUDED.topic, "partition" = EXCLUDED."partition", "offset" = EXCLUDED."offset"
     WHERE known.outcome = 'dead_lettered'
       AND (known.topic, known."partition", known."offset")
           IS DISTINCT FROM (EXCLUDED.topic, EXCLUDED."partition", EXCLUDED."offset")
    RETURNING 1 AS settings`
  if (row !== undefined) return "new"
  if (!options.blockKeys) return "duplicate"
  const [known] = await tx<Array<{ outcome: string; here: boolean }>>`
    SELECT outcome, (topic, "partition", "offset")
             = (${origin.topic}, ${origin.partition}::int, ${origin.offset}::bigint) AS here
      FROM oncegate_inbox WHERE consumer = ${consumer} AND event_id = ${id}`
  return known === undefined || (known.outcome === "dead_lettered" && !known.here) ? "blocked" : "duplicate"
}

/**
 * Writes that a record went to the dead-letter topic; called in a transaction around the publication, so that the row
 * says the truth. False where the event was handled meanwhile, or this very record was dead-lettered before.
 */
export const markDeadLettered = async (
  tx: postgres.TransactionSql,
  { consumer, id, type, key, sequence, origin }: Entry,
  errorClass: string
): Promise<boolean> => {
  const rows = await tx`
    INSERT INTO oncegate_inbox AS known
           (consumer, event_id, event_type, record_key, sequence, topic, "partition", "offset", outcome, error_class)
    VALUES (${consumer}, ${id}, ${type}, ${key}, ${sequence},
            ${origin.topic}, ${origin.partition}::int, ${origin.offset}::bigint, 'dead_lettered', ${errorClass})
    ON CONFLICT (consumer, event_id) DO UPDATE
       SET error_class = EXCLUDED.error_class, at = clock_timestamp(),
           topic = EXCLUDED.topic, "partition" = EXCLUDED."partition", "offset" = EXCLUDED."offset"
     WHERE known.outcome = 'dead_lettered'
       AND (known.topic, known."partition", known."offset")
           IS DISTINCT FROM (EXCLUDED.topic, EXCLUDED."partition", EXCLUDED."offset")
    RETURNING event_id`
  return rows.length > 0
}

/**
 * Gives up on a dead-lettered event: it will not be handled, and no longer blocks its key. False where there is none.
 */
export const dismissDeadLetter = async (
  sql: postgres.Sql,
  consumer: string,
  eventId: ConsumedEvent["id"]
): Promise<boolean> => {
  const rows = await sql`
    UPDATE oncegate_inbox SET outcome = 'dismissed', at = clock_timestamp()
     WHERE consumer = ${consumer} AND event_id = ${eventId} AND outcome = 'dead_lettered' RETURNING event_id`
  return rows.length > 0
}
