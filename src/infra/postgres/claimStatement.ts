import { Effect } from "effect"
import { BOOK, BOOKED_ROW, BOOKED_SUM, type FactRow, KNOWN, ONE } from "./completeStatement.ts"
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
  /** Asked for as a copy of a done event, without its body in `sealed`: it claims nothing. */
  readonly copy: boolean
}

/** What a completion proved. */
export interface Proof {
  readonly note: string | null
  readonly facts: ReadonlyArray<FactRow>
}

/** `settled`, `unsettled`: what was asked for as a copy of a done event is one, or is to be claimed after all. */
export type ClaimResult = "claimed" | "completed" | "taken" | "forged" | "settled" | "unsettled"

/** The place of notes among the log rows of one delivery: after all that changes its state. */
const LAST = "9223372036854775807"

/** Under which body the transmission of a row came before; looked for only on this condition. */
const SEEN = (condition: string) =>
  ONE(`s.request_hash FROM webhook_transmissions s
        WHERE ${condition} AND s.provider = v.provider
          AND s.transmission_id = v.transmission_id AND s.crc32 = v.crc32`)

/** Done events of a group, `d`, are dated by their last copy, by the minute. */
export const TOUCHED = (done: string, lastSeen: string) => `touched AS (
  UPDATE webhook_dedup_events e SET last_seen_at = now()
   WHERE e.id IN (SELECT d.id FROM ${done}
                   WHERE ${lastSeen} IS NULL OR ${lastSeen} < now() - interval '61 seconds'
                     FOR UPDATE OF d SKIP LOCKED) -- never wait, never deadlock, for a date`

/** Which copies are those of done events; no event that is claimed is looked at. */
const SETTLED = `settled AS MATERIALIZED (
  SELECT v.n, v.provider, v.dedup_key, v.count, v.trace, e.id, e.version, e.last_seen_at
    FROM v, ${ONE(`e.id, e.version, e.last_seen_at FROM webhook_dedup_events e
                    WHERE v.copy = 1 AND e.provider = v.provider AND e.dedup_key = v.dedup_key
                      AND e.claim_token IS DISTINCT FROM v.token -- else it is ours, whose reply was lost
                      AND e.status || '' = 'done' AND e.request_hash = v.request_hash`)} e
    LEFT JOIN ${SEEN("v.transmission_id IS NOT NULL")} s ON true
   WHERE v.transmission_id IS NULL OR s.request_hash = v.request_hash
), ${TOUCHED("settled s JOIN webhook_dedup_events d USING (id)", "s.last_seen_at")}
`

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
 *
 * A copy is only looked up and noted: where its event is done under this very body and transmission, nothing else is left
 * to be found by a claim and a re-claim.
 */
const CLAIM = `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $9::int[], $10::int[],
                       $11::text[], $12::text[], $13::text[], $14::bigint[], $15::int[], $17::int[], $18::text[], $23::int[])
    WITH ORDINALITY AS v(provider, dedup_key, request_hash, token, event_type, trace, key_id, body_start, body_length,
                         kind, original, transmission_id, crc32, count, proven, note, copy, n)
), f AS MATERIALIZED (
  SELECT f.n, f.ord, v.provider, v.dedup_key, v.trace, f.effect_key, f.data, f.digest, e.digest <> f.digest AS clash
    FROM (SELECT n, ord, effect_key, data, encode(sha256(convert_to(digest, 'UTF8')), 'hex') AS digest
            FROM unnest($19::bigint[], $20::text[], $21::text[], $22::text[])
                 WITH ORDINALITY AS f(n, effect_key, digest, data, ord)) f
    JOIN v USING (n)
    LEFT JOIN ${KNOWN} e ON true
), t AS (
  INSERT INTO webhook_transmissions (provider, transmission_id, crc32, request_hash)
  SELECT provider, transmission_id, crc32, request_hash FROM v WHERE transmission_id IS NOT NULL AND copy = 0
   ORDER BY provider, transmission_id, crc32
  ON CONFLICT DO NOTHING
  RETURNING provider, transmission_id, crc32
), genuine AS (
  SELECT v.*, CASE
           WHEN v.transmission_id IS NULL OR t.provider IS NOT NULL THEN true
           WHEN seen.request_hash IS NULL THEN oncegate_repeat('transmission')
           ELSE seen.request_hash = v.request_hash
         END AS genuine
    FROM v
    LEFT JOIN t USING (provider, transmission_id, crc32)
    LEFT JOIN ${SEEN("t.provider IS NULL")} seen ON true
   WHERE v.copy = 0
), c AS (
  INSERT INTO webhook_dedup_events (provider, dedup_key, status, request_hash, last_seen_at, version, claim_token,
                                    lease_until, next_attempt_at, error_code, event_type)
  SELECT provider, dedup_key, born, request_hash, now(), CASE born WHEN 'done' THEN 2 ELSE 1 END, token,
         CASE born WHEN 'processing' THEN clock_timestamp() + $16::bigint * interval '1 ms' END,
         CASE born WHEN 'failed' THEN timestamptz 'infinity' END,
         CASE kind WHEN 'quarantine' THEN 'not_json_object' WHEN 'conflict' THEN 'payload_mismatch' END, event_type
    FROM (SELECT *, CASE WHEN kind <> 'claim' THEN 'failed'
                         WHEN proven = 1 AND n NOT IN (SELECT n FROM f WHERE clash) THEN 'done'
                         ELSE 'processing' END AS born
            FROM genuine WHERE genuine OFFSET 0) AS birth
   ORDER BY provider, dedup_key
  ON CONFLICT (provider, dedup_key) DO NOTHING
  RETURNING id, provider, dedup_key, changed_at, status, version
), ${SETTLED}), made AS MATERIALIZED (
  SELECT g.*, c.id IS NOT NULL AS made, c.status = 'done' AS done, c.status, c.version, c.changed_at
    FROM genuine g LEFT JOIN c USING (provider, dedup_key)
), wanted AS (
  SELECT f.*, 2 AS version FROM f JOIN made USING (n) WHERE made.done
), ${BOOK}, p AS (
  INSERT INTO webhook_payloads (provider, dedup_key, key_id, sealed)
  SELECT provider, dedup_key, key_id, substring((SELECT decode($8::text, 'base64')) FROM body_start FOR body_length)
    FROM made WHERE made
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT provider, key, version, type, data, trace FROM (
    SELECT n, 0::bigint AS step, provider, dedup_key AS key, 1 AS version,
           CASE kind WHEN 'claim' THEN 'Claimed' WHEN 'quarantine' THEN 'Quarantined' ELSE 'Parked' END AS type,
           CASE kind
             WHEN 'claim' THEN jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0, 'request_hash', request_hash,
                                                  'event_type', event_type, 'claimed_at', extract(epoch FROM changed_at) * 1000)
             WHEN 'quarantine' THEN jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0, 'request_hash', request_hash)
             ELSE jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0,
                                     'code', 'payload_mismatch', 'event_type', event_type) END AS data,
           trace
      FROM made WHERE made
    UNION ALL
    SELECT n, ord, provider, dedup_key, version, ${BOOKED_ROW}, trace FROM booked
    UNION ALL
    SELECT n, ${LAST} - 1, provider, dedup_key, 2, 'Completed',
           jsonb_build_object('fence', 1, 'attempts', 0, 'failures', 0, 'event_type', event_type, ${BOOKED_SUM}), trace
      FROM made LEFT JOIN told USING (n) WHERE done
    UNION ALL
    SELECT n, ${LAST}, provider, original,
           coalesce((SELECT o.version FROM webhook_dedup_events o
                      WHERE o.provider = made.provider AND o.dedup_key = made.original), 0), 'PayloadMismatch',
           jsonb_build_object('request_hash', request_hash, 'conflict_key', dedup_key), trace
      FROM made WHERE made AND kind = 'conflict'
    UNION ALL
    SELECT n, ${LAST}, provider, dedup_key, version, 'DuplicateSeen',
           jsonb_build_object('state', CASE kind WHEN 'claim' THEN status WHEN 'quarantine' THEN 'quarantined'
                                                 ELSE 'conflict' END, 'count', count - 1), trace
      FROM made WHERE made AND count > 1
    UNION ALL
    SELECT n, ${LAST}, provider, dedup_key,
           coalesce((SELECT o.version FROM webhook_dedup_events o
                      WHERE o.provider = made.provider AND o.dedup_key = made.dedup_key), 0), 'Forgery',
           jsonb_build_object('transmission_id', transmission_id, 'request_hash', request_hash), trace
      FROM made WHERE NOT genuine
    UNION ALL
    SELECT n, ${LAST}, provider, dedup_key, version, 'DuplicateSeen',
           jsonb_build_object('state', 'done', 'count', count), trace
      FROM settled
  ) AS rows ORDER BY n, step
)
SELECT CASE WHEN s.n IS NOT NULL THEN 'settled' WHEN v.copy = 1 THEN 'unsettled' WHEN NOT genuine THEN 'forged'
            WHEN NOT made THEN 'taken' WHEN done THEN 'completed' ELSE 'claimed' END AS result
  FROM v LEFT JOIN made USING (n) LEFT JOIN settled s USING (n) ORDER BY n`

/** One result a row, in the order of the rows. `counts`: deliveries of the row in this group. */
export const claimRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<ClaimRow>,
  counts: ReadonlyArray<number>,
  leaseMs: number
) {
  const bodies = rows.map((row) => row.sealed)
  let start = 1
  const starts = bodies.map((body) => {
    start += body.length
    return start - body.length
  })
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
    // One text: in an array each of its characters would be looked at once more.
    Buffer.concat(bodies).toString("base64"),
    starts,
    bodies.map((body) => body.length),
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
    facts.map((fact) => fact.data),
    rows.map((row) => (row.copy ? 1 : 0))
  ])
  return results.map(({ result }) => result)
})
