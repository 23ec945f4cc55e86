import { Effect } from "effect"
import { ONE } from "./completeStatement.ts"
import type { Connection } from "./Database.ts"

/** A delivery whose body this gate met before as that of a done event. */
export interface SettledRow {
  readonly provider: string
  readonly dedupKey: string
  readonly requestHash: string
  readonly transmission: { readonly id: string; readonly crc32: number } | null
  readonly trace: string | null
}

/**
 * Notes the duplicates of a group whose events are done, under the same body and a transmission that is known: what the claim and the re-claim
 * would find in two statements, with a body sealed for nobody. It claims nothing; whoever is not in its answer is claimed.
 */
const SETTLED = `
WITH v AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::int[])
    WITH ORDINALITY AS v(provider, dedup_key, request_hash, transmission_id, crc32, trace, count, n)
), d AS MATERIALIZED (
  SELECT v.*, e.id, e.version, e.last_seen_at
    FROM v, ${ONE(`e.id, e.version, e.last_seen_at FROM webhook_dedup_events e
                    WHERE e.provider = v.provider AND e.dedup_key = v.dedup_key
                      AND e.status || '' = 'done' AND e.request_hash = v.request_hash`)} e
   WHERE v.transmission_id IS NULL
      OR EXISTS (SELECT FROM webhook_transmissions s
                  WHERE s.provider = v.provider AND s.transmission_id = v.transmission_id AND s.crc32 = v.crc32
                    AND s.request_hash = v.request_hash)
), touched AS (
  UPDATE webhook_dedup_events e SET last_seen_at = now()
   WHERE e.id IN (SELECT x.id FROM webhook_dedup_events x JOIN d USING (id)
                   WHERE d.last_seen_at IS NULL OR d.last_seen_at < now() - interval '61 seconds'
                     FOR UPDATE OF x SKIP LOCKED) -- never wait, never deadlock, for a date
), l AS (
  INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, trace)
  SELECT provider, dedup_key, version, 'DuplicateSeen', jsonb_build_object('state', 'done', 'count', count), trace
    FROM d ORDER BY n
)
SELECT n::int FROM d`

/** For each row whether it is a duplicate of a done event. `counts`: deliveries of the row in this group. */
export const settledRows = Effect.fnUntraced(function* (
  connection: Connection,
  rows: ReadonlyArray<SettledRow>,
  counts: ReadonlyArray<number>
) {
  const found = yield* connection.query<{ n: number }>("settled", SETTLED, [
    rows.map((row) => row.provider),
    rows.map((row) => row.dedupKey),
    rows.map((row) => row.requestHash),
    rows.map((row) => row.transmission?.id ?? null),
    rows.map((row) => row.transmission?.crc32 ?? null),
    rows.map((row) => row.trace),
    counts
  ])
  const settled = new Set(found.map(({ n }) => n))
  return rows.map((_, index) => settled.has(index + 1))
})
