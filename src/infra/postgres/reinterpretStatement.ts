import { Effect } from "effect"
import { type BillingFact, digestText } from "../../domain/BillingFact.ts"
import type { Act } from "../../domain/Events.ts"
import type { ProposedFact } from "../../domain/Provider.ts"
import { type StateRow, TAKE_TURNS } from "./completeStatement.ts"
import type { Connection } from "./Database.ts"

export interface DoneRow {
  readonly dedup_key: string
  readonly version: number
  readonly key_id: string
  readonly sealed: Buffer
  readonly read_at: Date
}

/** Done rows that one statement looks at, whatever it finds among them: bounds its time. */
const WINDOW = 5_000
/** Bodies that one page holds. */
const PAGE = 100

export interface DonePlace {
  readonly micros: string
  readonly id: string
}

/**
 * The next done events of a type that booked nothing, oldest first, with their bodies. Walks the rows by first sight, a
 * window at a time; `place` is where the next page begins, and undefined behind the last one. Dismissed events stay
 * dismissed.
 */
export const doneRows = Effect.fnUntraced(function* (
  connection: Connection,
  provider: string,
  eventType: string,
  from: { readonly since: Date } | DonePlace
) {
  const rows = yield* connection.query<
    DonePlace & (DoneRow | { readonly dedup_key: null }) & { readonly full: boolean }
  >(
    "reinterpret page",
    `WITH w AS MATERIALIZED (
       SELECT * FROM webhook_dedup_events
        WHERE (first_seen_at, id) > ($3::timestamptz + $4::bigint * interval '1 microsecond', $5::bigint)
        ORDER BY first_seen_at, id LIMIT ${WINDOW}
     ), found AS (
       SELECT w.first_seen_at, w.id, w.dedup_key, w.version, p.key_id, p.sealed
         FROM w JOIN webhook_payloads p USING (provider, dedup_key)
        WHERE w.provider = $1 AND w.event_type = $2 AND w.status = 'done' AND w.error_code IS NULL
          AND NOT EXISTS (SELECT FROM webhook_event_log l WHERE l.provider = w.provider AND l.dedup_key = w.dedup_key
                             AND l.type = 'BillingEventRecorded')
        ORDER BY w.first_seen_at, w.id LIMIT ${PAGE}
     )
     SELECT (extract(epoch FROM first_seen_at) * 1000000)::bigint::text AS micros, id::text AS id, dedup_key, version,
            key_id, sealed, now() AS read_at, (SELECT count(*) FROM w) = ${WINDOW} AS full
       FROM (SELECT first_seen_at, found.id, dedup_key, version, key_id, sealed FROM found
             UNION ALL
             (SELECT first_seen_at, w.id, NULL, NULL, NULL, NULL FROM w ORDER BY first_seen_at DESC, w.id DESC LIMIT 1)) u
      ORDER BY (dedup_key IS NULL), u.first_seen_at, u.id`,
    "since" in from
      ? [provider, eventType, from.since.toISOString(), 0, -1]
      : [provider, eventType, "1970-01-01T00:00:00Z", from.micros, from.id]
  )
  // The last row is the end of the window; the others were found in it.
  const found = rows.flatMap((row) => (row.dedup_key === null ? [] : [row]))
  const end = found.length === PAGE ? found.at(-1) : rows.at(-1)
  const more = end !== undefined && (found.length === PAGE || end.full)
  return { found, place: more ? ({ micros: end.micros, id: end.id } satisfies DonePlace) : undefined }
})

/**
 * Books the facts of a done event whose effect keys are new, and `Reinterpreted` with who and why, in one commit.
 *
 * Everything hangs on the row's change from the version that was read to the next: of two people at the same moment one
 * finds another version, and books nothing; nor does whoever may hold an older answer than the one that is booked. A fact
 * that somebody else booked after this snapshot is known by its conflict alone: the statement is repeated. Where nothing is
 * new, nothing changes, so that running it again is harmless.
 */
const REINTERPRET = `
WITH f AS (
  SELECT f.ord, f.effect_key, f.only_after, f.data::jsonb AS data, encode(sha256(convert_to(f.digest, 'UTF8')), 'hex') AS digest
    FROM unnest($7::text[], $8::text[], $9::text[], $10::text[]) WITH ORDINALITY AS f(effect_key, digest, only_after, data, ord)
), known AS (
  SELECT f.ord, e.digest = f.digest AS agrees FROM f JOIN billing_effects e ON e.provider = $1 AND e.effect_key = f.effect_key
), fresh AS (
  SELECT f.* FROM f
   WHERE f.ord NOT IN (SELECT ord FROM known)
     AND (f.only_after IS NULL
          OR EXISTS (SELECT FROM billing_effects b WHERE b.provider = $1
                        AND b.effect_key >= f.only_after AND b.effect_key < f.only_after || '~'))
), r AS (
  SELECT id FROM webhook_dedup_events
   WHERE provider = $1 AND dedup_key = $2 AND status = 'done' AND version = $3::int AND error_code IS NULL
     AND EXISTS (SELECT FROM fresh) AND NOT EXISTS (SELECT FROM known WHERE NOT agrees) AND NOT $11::boolean
     FOR UPDATE
), s AS (
  SELECT 1 AS n, $1 AS provider, $12::text AS object, $13::text AS state, b.version,
         b.booked_at > $14::timestamptz AND b.state <> $13::text AS outdated
    FROM r LEFT JOIN booked_states b ON b.provider = $1 AND b.object = $12::text
   WHERE $12::text IS NOT NULL
), ${TAKE_TURNS}, c AS (
  UPDATE webhook_dedup_events e
     SET version = e.version + 1, changed_at = clock_timestamp(), event_type = coalesce($4::text, e.event_type)
    FROM r WHERE e.id = r.id AND NOT EXISTS (SELECT FROM turn WHERE NOT ours)
  RETURNING e.version, e.fence, e.attempts, e.failures
), b AS (
  INSERT INTO billing_effects (provider, effect_key, dedup_key, digest)
  SELECT $1, effect_key, $2, digest FROM fresh, c ORDER BY effect_key
  ON CONFLICT DO NOTHING
  RETURNING effect_key
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
  SELECT $1, $2, version, type, data FROM (
    SELECT ord, c.version, 'BillingEventRecorded' AS type, jsonb_build_object('fact', fresh.data) AS data
      FROM fresh, c
     -- c stands in the condition too, or the planner would ask it of fresh alone, where nothing is booked at all
     WHERE CASE WHEN EXISTS (SELECT FROM b WHERE b.effect_key = fresh.effect_key AND c.version > 0) THEN true
                ELSE oncegate_repeat('effect') END
    UNION ALL
    SELECT 9223372036854775807, c.version, 'Reinterpreted',
           jsonb_build_object('fence', fence, 'attempts', attempts, 'failures', failures, 'by', $5::text, 'reason', $6::text,
                              'effects', (SELECT jsonb_agg(effect_key ORDER BY ord) FROM fresh))
      FROM c
  ) AS rows ORDER BY ord
)
SELECT CASE WHEN EXISTS (SELECT FROM c) THEN 'booked'
            WHEN EXISTS (SELECT FROM known WHERE NOT agrees) THEN 'conflict'
            WHEN NOT EXISTS (SELECT FROM fresh) THEN 'nothing_new'
            WHEN $11::boolean THEN 'booked'
            ELSE 'changed' END AS result`

export interface ReinterpretRow {
  readonly provider: string
  readonly dedupKey: string
  readonly version: number
  readonly eventType: string | null
  readonly facts: ReadonlyArray<ProposedFact>
  readonly state: StateRow | null
  readonly readAt: Date
}

export const reinterpretRow = (connection: Connection, row: ReinterpretRow, act: Act, dryRun: boolean) =>
  Effect.map(
    connection.query<{ result: "booked" | "nothing_new" | "conflict" | "changed" }>(
      "reinterpret",
      REINTERPRET,
      [
        row.provider,
        row.dedupKey,
        row.version,
        row.eventType,
        act.by,
        act.reason,
        row.facts.map(({ fact }) => fact.effect_key),
        row.facts.map(({ fact }) => digestText(fact)),
        row.facts.map(({ onlyAfter }) => onlyAfter ?? null),
        row.facts.map(({ fact }) => JSON.stringify(fact satisfies BillingFact)),
        dryRun,
        row.state?.object ?? null,
        row.state?.digest ?? null,
        row.readAt.toISOString()
      ]
    ),
    ([answer]) => answer!.result
  )
