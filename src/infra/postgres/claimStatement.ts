import { Effect } from "effect"
import { BOOK, type FactRow } from "./completeStatement.ts"
import type { Connection } from "./Database.ts"

/** One row of a group: a delivery that wants its event's row, with its body sealed. */
export interface ClaimRow {
  readonly provider: string
  readonly dedupKey: string
  readonly requestHash: string
  /** Chosen by the claimer: tells a row of ours whose reply was lost from somebody else's. */
  readonly token: string
  readonly eventType: string | null
  readonly trace: string | null
  readonly keyId: string
  readonly sealed: Buffer
  /** `claim`: to be processed. The others are kept and shown, never processed: born parked. */
  readonly kind: "claim" | "quarantine" | "conflict"
  /** Of a conflict: the key that another body holds. */
  readonly original: string | null
  readonly transmission: { readonly id: string; readonly crc32: number } | null
  /** What the delivery proves by itself: claimed and completed at once. */
  readonly proven: Proof | null
}

/** What a completion proved. */
export interface Proof {
  readonly note: string | null
  readonly facts: ReadonlyArray<FactRow>
}

export type ClaimResult = "claimed" | "completed" | "taken" | "forged"

/** The place of notes among the log rows of one delivery: after all that changes its state. */
const LAST = "9223372036854775807"

/**
 * INSERT .. ON CONFLICT DO NOTHING for a whole group, with custody, transmissions and log in the same commit.
 *
 * Wins the race between identical deliveries: the unique constraint lets one in, the others wait for its commit and get
 * no row. They are not looked up here, because the snapshot of this statement may be older than the winner's commit.
 * Rows go in in key order, so that two groups cannot deadlock.
 *
 * A transmission that came before with another hash under the same CRC is a forgery, and claims nothing. One that was
 * committed after this snapshot can be seen by the conflict only: the statement is repeated on a new snapshot.
 *
 * A delivery that proves its facts by itself is born done: its facts, selected from the row that was inserted, and its
 * completion are in the log with its claim. Effects go in in key order, after all rows, as in a completion. Where a fact
 * is booked already with other amounts, the event is only claimed: its completion will say so.
 */
const CLAIM = `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::text[], $10::text[], $11::text[], $12::bigint[], $13::int[], $15::int[], $16::text[])
    WITH ORDINALITY AS v(provider, dedup_key, request_hash, token, event_type, trace, key_id, sealed,
                         kind, original, transmission_id, crc32, count, proven, note, n)
), f AS (
  SELECT f.n, f.ord, v.provider, v.dedup_key, f.effect_key, f.data::jsonb AS data,
         encode(sha256(convert_to(f.digest, 'UTF8')), 'hex') AS digest
    FROM unnest($17::bigint[], $18::text[], $19::text[], $20::text[])
         WITH ORDINALITY AS f(n, effect_key, digest, data, ord) JOIN v USING (n)
), known AS (
  SELECT f.n, f.ord, e.digest <> f.digest AS clash
    FROM f JOIN billing_effects e ON e.provider = f.provider AND e.effect_key = f.effect_key
), t AS (
  INSERT INTO webhook_transmissions (provider, transmission_id, crc32, request_hash)
  SELECT provider, transmission_id, crc32, request_hash FROM v WHERE transmission_id IS NOT NULL
   ORDER BY provider, transmission_id, crc32
  ON CONFLICT DO NOTHING
  RETURNING provider, transmission_id, crc32
), genuine AS (
  SELECT v.*, CASE
           WHEN v.transmission_id IS NULL OR t.provider IS NOT NULL THEN true
           WHEN seen.provider IS NULL THEN oncegate_repeat('transmission')
           ELSE seen.request_hash = v.request_hash
         END AS genuine
    FROM v
    LEFT JOIN t USING (provider, transmission_id, crc32)
    LEFT JOIN webhook_transmissions seen USING (provider, transmission_id, crc32)
), c AS (
  INSERT INTO webhook_dedup_events (provider, dedup_key, status, request_hash, last_seen_at, version, claim_token,
                                    lease_until, next_attempt_at, error_code, event_type)
  SELECT provider, dedup_key, born, request_hash, now(), CASE born WHEN 'done' THEN 2 ELSE 1 END, token,
         CASE born WHEN 'processing' THEN clock_timestamp() + $14::bigint * interval '1 ms' END,
         CASE born WHEN 'failed' THEN timestamptz 'infinity' END,
         CASE kind WHEN 'quarantine' THEN 'not_json_object' WHEN 'conflict' THEN 'payload_mismatch' END, event_type
    FROM genuine,
         LATERAL (SELECT CASE WHEN kind <> 'claim' THEN 'failed'
                              WHEN proven = 1 AND n NOT IN (SELECT n FROM known WHERE clash) THEN 'done'
                              ELSE 'processing' END AS born) AS birth
   WHERE genuine ORDER BY provider, dedup_key
  ON CONFLICT (provider, dedup_key) DO NOTHING
  RETURNING id, provider, dedup_key, changed_at, status, version
), wanted AS (
  SELECT f.* FROM f JOIN c USING (provider, dedup_key) WHERE c.status = 'done'
), ${BOOK}
), p AS (
  INSERT INTO webhook_payloads (provider, dedup_key, key_id, sealed)
  SELECT provider, dedup_key, key_id, decode(sealed, 'base64') FROM c JOIN v USING (provider, dedup_key)
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT provider, key, version, type, data, trace FROM (
    SELECT n, 0::bigint AS step, v.provider, v.dedup_key AS key, 1 AS version,
           CASE kind WHEN 'claim' THEN 'Claimed' WHEN 'quarantine' THEN 'Quarantined' ELSE 'Parked' END AS type,
           jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0) || CASE kind
             WHEN 'claim' THEN jsonb_build_object('request_hash', request_hash, 'event_type', event_type,
                                                  'claimed_at', extract(epoch FROM c.changed_at) * 1000)
             WHEN 'quarantine' THEN jsonb_build_object('request_hash', request_hash)
             ELSE jsonb_build_object('code', 'payload_mismatch', 'event_type', event_type) END AS data,
           trace
      FROM c JOIN v USING (provider, dedup_key)
    UNION ALL
    SELECT w.n, w.ord, w.provider, w.dedup_key, 2,
           CASE WHEN k.new THEN 'BillingEventRecorded' ELSE 'EffectAlreadyRecorded' END,
           CASE WHEN k.new THEN jsonb_build_object('fact', w.data) ELSE jsonb_build_object('effect_key', w.effect_key) END,
           v.trace
      FROM wanted w JOIN booked k USING (n, ord) JOIN v USING (n)
    UNION ALL
    SELECT v.n, ${LAST} - 1, v.provider, v.dedup_key, 2, 'Completed',
           jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0, 'event_type', v.event_type,
             'note', CASE WHEN note IS NOT NULL THEN note
                          WHEN EXISTS (SELECT FROM booked k WHERE k.n = v.n AND NOT k.new) THEN 'effect_already_recorded' END,
             'effects', coalesce((SELECT jsonb_agg(effect_key ORDER BY ord) FROM booked k WHERE k.n = v.n AND k.new), '[]')),
           trace
      FROM c JOIN v USING (provider, dedup_key) WHERE c.status = 'done'
    UNION ALL
    SELECT n, ${LAST}, v.provider, v.original, coalesce(o.version, 0), 'PayloadMismatch',
           jsonb_build_object('request_hash', v.request_hash, 'conflict_key', v.dedup_key), trace
      FROM c JOIN v USING (provider, dedup_key)
      LEFT JOIN webhook_dedup_events o ON o.provider = v.provider AND o.dedup_key = v.original
     WHERE kind = 'conflict'
    UNION ALL
    SELECT n, ${LAST}, v.provider, v.dedup_key, c.version, 'DuplicateSeen',
           jsonb_build_object('state', CASE kind WHEN 'claim' THEN c.status WHEN 'quarantine' THEN 'quarantined'
                                                 ELSE 'conflict' END, 'count', v.count - 1), trace
      FROM c JOIN v USING (provider, dedup_key) WHERE v.count > 1
    UNION ALL
    SELECT n, ${LAST}, g.provider, g.dedup_key, coalesce(o.version, 0), 'Forgery',
           jsonb_build_object('transmission_id', g.transmission_id, 'request_hash', g.request_hash), trace
      FROM genuine g LEFT JOIN webhook_dedup_events o USING (provider, dedup_key)
     WHERE NOT genuine
  ) AS rows ORDER BY n, step
)
SELECT CASE WHEN NOT g.genuine THEN 'forged' WHEN c.id IS NULL THEN 'taken'
            WHEN c.status = 'done' THEN 'completed' ELSE 'claimed' END AS result
  FROM genuine g LEFT JOIN c USING (provider, dedup_key)
 ORDER BY g.n`

/** One result a row, in the order of the rows. `counts`: deliveries of the row in this group. */
export const claimRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<ClaimRow>,
  counts: ReadonlyArray<number>,
  leaseMs: number
) {
  const facts = rows.flatMap((row, index) =>
    (row.proven?.facts ?? []).map((fact) => ({ ...fact, n: index + 1 }))
  )
  const results = yield* connection.query<{ result: ClaimResult }>("claim", CLAIM, [
    rows.map((row) => row.provider),
    rows.map((row) => row.dedupKey),
    rows.map((row) => row.requestHash),
    rows.map((row) => row.token),
    rows.map((row) => row.eventType),
    rows.map((row) => row.trace),
    rows.map((row) => row.keyId),
    rows.map((row) => row.sealed.toString("base64")),
    rows.map((row) => row.kind),
    rows.map((row) => row.original),
    rows.map((row) => row.transmission?.id ?? null),
    rows.map((row) => row.transmission?.crc32 ?? null),
    counts,
    leaseMs,
    rows.map((row) => (row.proven === null ? 0 : 1)),
    rows.map((row) => row.proven?.note ?? null),
    facts.map((fact) => fact.n),
    facts.map((fact) => fact.effectKey),
    facts.map((fact) => fact.digest),
    facts.map((fact) => fact.data)
  ])
  return results.map(({ result }) => result)
})
