import { Effect } from "effect"
import type { Kafka } from "kafkajs"
import type { Connection } from "../postgres/Database.ts"
import { dataOf, eachBatch, isOwn, type Ranges, sequenceOf } from "./TopicTable.ts"

const UNBOOKED = `
CREATE TEMP TABLE rebase_unbooked AS
SELECT row_number() OVER (ORDER BY endpoint, effect_key) AS n, endpoint, effect_key, dedup_key, digest
  FROM (SELECT DISTINCT ON (endpoint, effect_key) endpoint, effect_key, dedup_key, digest FROM rebase_topic t
         WHERE effect_key IS NOT NULL AND endpoint IS NOT NULL AND dedup_key IS NOT NULL
           AND NOT EXISTS (SELECT FROM billing_effects b WHERE b.provider = t.endpoint AND b.effect_key = t.effect_key)
         ORDER BY endpoint, effect_key, part, off) facts`

/**
 * Against a gate that completes the same event at this moment: whoever inserts an effect first has it, the other waits
 * for its commit. So a fact of a topic is booked either here, and then no gate records it again, or by a gate whose log
 * row the comparison that follows sees. In key order, as gates insert theirs: no deadlock.
 */
const BOOK = `
INSERT INTO billing_effects (provider, effect_key, dedup_key, digest)
SELECT endpoint, effect_key, dedup_key, digest FROM rebase_unbooked
 WHERE n > $1::bigint AND n <= $1::bigint + $2::bigint ORDER BY n
    ON CONFLICT DO NOTHING RETURNING 1`

const PAGE = 1_000

/** Books the effects of every fact that a topic holds: billed is billed, whatever this log knows of it. */
export const bookEffects = Effect.fnUntraced(function* (connection: Connection) {
  yield* connection.script("rebase unbooked", UNBOOKED)
  const [{ total } = { total: "0" }] = yield* connection.query<{ total: string }>(
    "rebase unbooked",
    "SELECT count(*) AS total FROM rebase_unbooked"
  )
  let booked = 0
  for (let from = 0; from < Number(total); from += PAGE)
    booked += (yield* connection.query("rebase book", BOOK, [from, PAGE])).length
  return booked
})

const SAVE = `
INSERT INTO relay_strays (topic, id, key, type, data, position, at, rebase)
SELECT $1, r.id, r.key, r.type, r.data::jsonb, r.position, r.at::timestamptz, $9::bigint
  FROM unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $10::text[])
       AS r(part, off, id, key, type, position, at, data)
 WHERE EXISTS (SELECT FROM rebase_strays s WHERE s.topic = $1 AND s.part = r.part AND s.off = r.off)
    ON CONFLICT DO NOTHING`

/** Keeps what the topics hold and the log does not: only now are their values read. */
export const saveStrays = Effect.fnUntraced(function* (
  connection: Connection,
  kafka: Kafka,
  found: Ranges,
  rebase: string
) {
  yield* connection.script("rebase strays", "CREATE INDEX ON rebase_strays (topic, part, off)")
  for (const topic of ["events", "outcomes"] as const) {
    const [row] = yield* connection.query<{ any: boolean }>(
      "rebase strays",
      "SELECT EXISTS (SELECT FROM rebase_strays WHERE topic = $1) AS any",
      [topic]
    )
    if (row?.any !== true) continue
    yield* eachBatch(kafka, found[topic], (records) => {
      const rows = records
        .filter(isOwn)
        .filter((record) => (record.headers.ce_id ?? "") !== "" && dataOf(record) !== undefined)
      return connection.query("rebase save", SAVE, [
        topic,
        rows.map(({ partition }) => partition),
        rows.map(({ offset }) => String(offset)),
        rows.map(({ headers }) => headers.ce_id),
        rows.map(({ key }) => key),
        rows.map(({ headers }) => headers.ce_type ?? ""),
        rows.map(sequenceOf),
        rows.map(({ headers }) => (Number.isNaN(Date.parse(headers.ce_time ?? "")) ? null : headers.ce_time)),
        rebase,
        // As text: the data of one record must not be read as another type.
        rows.map(({ value }) => value)
      ])
    })
  }
})
