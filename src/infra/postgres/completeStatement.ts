import { createHash } from "node:crypto"
import { Effect } from "effect"
import { digestText } from "../../domain/BillingFact.ts"
import type { Interpretation } from "../../domain/Provider.ts"
import type { Connection } from "./Database.ts"

/** A completion: the claim's fence, and what it proved. */
export interface CompleteRow {
  readonly provider: string
  readonly dedupKey: string
  readonly fence: number
  readonly eventType: string | null
  readonly note: string | null
  readonly trace: string | null
  readonly facts: ReadonlyArray<FactRow>
  readonly state: StateRow | null
}

/** What facts tell the present state of, and which state that is: two events that tell the same facts agree. */
export interface StateRow {
  readonly object: string
  readonly digest: string
}

export interface FactRow {
  readonly effectKey: string
  readonly digest: string
  /** Book only where a fact whose key starts so is booked. */
  readonly onlyAfter: string | null
  /** JSON of the fact. */
  readonly data: string
}

/** The facts of an event as rows of a statement. */
export const factRows = ({ facts }: Interpretation): ReadonlyArray<FactRow> =>
  facts.map(({ fact, onlyAfter }) => ({
    effectKey: fact.effect_key,
    digest: digestText(fact),
    onlyAfter: onlyAfter ?? null,
    data: JSON.stringify(fact)
  }))

export const stateRow = ({ facts, stateOf }: Pick<Interpretation, "facts" | "stateOf">): StateRow | null =>
  stateOf === undefined
    ? null
    : {
        object: stateOf,
        digest: createHash("sha256")
          .update(JSON.stringify(facts.map(({ fact, onlyAfter }) => [fact.effect_key, onlyAfter])))
          .digest("hex")
      }

/** The names of effects: no two rows of a group may share one. */
export const effectNames = (provider: string, facts: ReadonlyArray<FactRow>) =>
  facts.map(({ effectKey }) => `${provider}\t${effectKey}`)

/**
 * `stale`: the fence is no longer the row's. `conflict`: these facts are booked with other amounts. `outdated`: another
 * state of the same thing was booked since the claim. In each of these nothing was done.
 */
export type CompleteResult = "done" | "stale" | "conflict" | "outdated"

/**
 * At most one row, looked up for each row before it. A plain join may be planned as a hash of the whole table, made while
 * the table was young, and kept while it grows.
 */
export const ONE = (select: string) => `LATERAL (SELECT ${select} LIMIT 1)`

/** What is booked under the key of a fact already. */
export const KNOWN = ONE(
  "e.digest FROM billing_effects e WHERE e.provider = v.provider AND e.effect_key = f.effect_key"
)

/**
 * CTEs that take the turn of each thing whose state is told, in key order, out of `s`: the provider's last state as this
 * snapshot has it, and whether ours may be older. `turn` says whose facts may be booked. A state that somebody else
 * committed after this snapshot is known by its version alone: the statement is repeated, to see what else was booked.
 */
export const TAKE_TURNS = `m AS (
  INSERT INTO booked_states AS b (provider, object, state)
  SELECT provider, object, state FROM s WHERE outdated IS NOT TRUE ORDER BY provider, object
  ON CONFLICT (provider, object) DO UPDATE
     SET state = EXCLUDED.state, version = b.version + 1, booked_at = clock_timestamp()
  RETURNING provider, object, version
), turn AS MATERIALIZED (
  SELECT s.n, CASE WHEN s.outdated THEN false
                   WHEN m.version = coalesce(s.version, 0) + 1 THEN true
                   ELSE oncegate_repeat('state') END AS ours
    FROM s LEFT JOIN m USING (provider, object)
)`

/**
 * CTEs that book the facts of `wanted`, in key order, and tell which of them are `new`, and for each row what it booked.
 * An effect that somebody else committed after this snapshot is known by its conflict alone: the statement is repeated,
 * to see whether it agrees. `clash`: null where the effect was not known.
 */
export const BOOK = `b AS (
  INSERT INTO billing_effects (provider, effect_key, dedup_key, digest)
  SELECT provider, effect_key, dedup_key, digest FROM wanted ORDER BY provider, effect_key
  ON CONFLICT DO NOTHING
  RETURNING provider, effect_key
), booked AS MATERIALIZED (
  SELECT w.*, CASE
           WHEN b.effect_key IS NOT NULL THEN true
           WHEN w.clash IS NULL THEN oncegate_repeat('effect')
           ELSE false END AS new
    FROM wanted w LEFT JOIN b USING (provider, effect_key)
), told AS (
  SELECT n, jsonb_agg(effect_key ORDER BY ord) FILTER (WHERE new) AS effects, NOT bool_and(new) AS known
    FROM booked GROUP BY n
)`

/** Type and data of the log's row of a `booked` fact. */
export const BOOKED_ROW = `CASE WHEN new THEN 'BillingEventRecorded' ELSE 'EffectAlreadyRecorded' END AS type,
           CASE WHEN new THEN ('{"fact":' || data || '}')::jsonb ELSE jsonb_build_object('effect_key', effect_key) END AS data`

/** What a completion says about its facts, out of `told`, which may have no row. */
export const BOOKED_SUM = `'note', CASE WHEN note IS NOT NULL THEN note WHEN told.known THEN 'effect_already_recorded' END,
             'effects', coalesce(told.effects, '[]')`

/**
 * Ends events and books their facts, for a whole group, in one commit.
 *
 * Everything hangs on the fenced change: facts and log rows are selected from what the UPDATE returned, so a worker that
 * was fenced off books nothing. All rows are locked, then all turns taken, then all effects inserted, each in key order,
 * so that groups cannot deadlock. An effect that somebody else committed after this snapshot is known by its conflict
 * alone: the statement is repeated, to see whether it agrees. A completion of ours whose reply was lost shows as `done`
 * under our own fence; one that is still under way there ends during our wait for the row, which this snapshot cannot see:
 * repeated too.
 *
 * Rows are found by their key. `status || ''` keeps the planner from the index on the status, which holds the dead entries
 * of all rows that moved on since the last vacuum.
 */
const COMPLETE = `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $12::text[], $13::text[])
    WITH ORDINALITY AS v(provider, dedup_key, fence, event_type, note, trace, object, state, n)
), f AS MATERIALIZED (
  SELECT f.n, f.ord, v.provider, v.dedup_key, v.trace, f.effect_key, f.only_after, f.data, f.digest,
         e.digest <> f.digest AS clash
    FROM (SELECT n, ord, effect_key, only_after, data, encode(sha256(convert_to(digest, 'UTF8')), 'hex') AS digest
            FROM unnest($7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[])
                 WITH ORDINALITY AS f(n, effect_key, digest, only_after, data, ord)) f
    JOIN v USING (n)
    LEFT JOIN ${KNOWN} e ON true
), clash AS (
  SELECT DISTINCT n FROM f WHERE clash
), r AS (
  SELECT e.id, v.n, v.event_type, e.changed_at FROM webhook_dedup_events e JOIN v USING (provider, dedup_key)
   WHERE e.status || '' = 'processing' AND e.fence = v.fence AND v.n NOT IN (SELECT n FROM clash)
   ORDER BY e.provider, e.dedup_key
     FOR UPDATE OF e
), s AS (
  -- changed_at is the time of the claim, before which nobody was asked.
  SELECT v.n, v.provider, v.object, v.state, b.version, b.booked_at > r.changed_at AND b.state <> v.state AS outdated
    FROM r JOIN v USING (n)
    LEFT JOIN ${ONE("* FROM booked_states b WHERE b.provider = v.provider AND b.object = v.object")} b ON true
   WHERE v.object IS NOT NULL
), ${TAKE_TURNS}, c AS (
  UPDATE webhook_dedup_events e
     SET status = 'done', lease_until = NULL, error_code = NULL, version = e.version + 1,
         changed_at = clock_timestamp(), event_type = coalesce(r.event_type, e.event_type)
    FROM r WHERE e.id = r.id AND r.n NOT IN (SELECT n FROM turn WHERE NOT ours)
  RETURNING r.n, e.version, e.fence, e.attempts, e.failures
), wanted AS (
  SELECT f.*, c.version FROM f JOIN c USING (n)
   WHERE f.only_after IS NULL
      OR EXISTS (SELECT FROM billing_effects b WHERE b.provider = f.provider
                    AND b.effect_key >= f.only_after AND b.effect_key < f.only_after || '~')
), ${BOOK}, l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT provider, dedup_key, version, type, data, trace FROM (
    SELECT n, ord, provider, dedup_key, version, ${BOOKED_ROW}, trace FROM booked
    UNION ALL
    SELECT n, 9223372036854775807, provider, dedup_key, c.version, 'Completed',
           jsonb_build_object('fence', c.fence, 'attempts', attempts, 'failures', failures, 'event_type', v.event_type,
             ${BOOKED_SUM}), v.trace
      FROM c JOIN v USING (n) LEFT JOIN told USING (n)
  ) AS rows ORDER BY n, ord
)
SELECT CASE WHEN c.n IS NOT NULL THEN 'done'
            WHEN e.status = 'done' AND e.fence = v.fence AND e.error_code IS DISTINCT FROM 'dismissed' THEN 'done'
            WHEN clash.n IS NOT NULL AND e.fence = v.fence THEN 'conflict'
            WHEN v.n IN (SELECT n FROM turn WHERE NOT ours) THEN 'outdated'
            WHEN e.status = 'processing' AND e.fence = v.fence THEN CASE WHEN oncegate_repeat('complete') THEN 'raced' END
            ELSE 'stale' END AS result
  FROM v LEFT JOIN c USING (n) LEFT JOIN clash USING (n)
  LEFT JOIN webhook_dedup_events e ON e.provider = v.provider AND e.dedup_key = v.dedup_key
 ORDER BY v.n`

/** One result a row, in the order of the rows. No two rows may share an event, an effect key or a thing's state. */
export const completeRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<CompleteRow>
) {
  const facts = rows.flatMap((row, index) => row.facts.map((fact) => ({ ...fact, n: index + 1 })))
  const results = yield* connection.query<{ result: CompleteResult }>("complete", COMPLETE, [
    rows.map((row) => row.provider),
    rows.map((row) => row.dedupKey),
    rows.map((row) => row.fence),
    rows.map((row) => row.eventType),
    rows.map((row) => row.note),
    rows.map((row) => row.trace),
    facts.map((fact) => fact.n),
    facts.map((fact) => fact.effectKey),
    facts.map((fact) => fact.digest),
    facts.map((fact) => fact.onlyAfter),
    facts.map((fact) => fact.data),
    rows.map(({ state }) => state?.object ?? null),
    rows.map(({ state }) => state?.digest ?? null)
  ])
  return results.map(({ result }) => result)
})
