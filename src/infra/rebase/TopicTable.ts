import { createHash } from "node:crypto"
import { Effect, Schema } from "effect"
import type { Admin, Kafka } from "kafkajs"
import { BillingFact, digestText } from "../../domain/BillingFact.ts"
import { capture, type Range, read, type TopicRecord } from "../audit/Topic.ts"
import type { OutRecord } from "../kafka/Records.ts"
import type { TopicNames } from "../kafka/Topics.ts"
import type { Connection } from "../postgres/Database.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"

/** The topics as a table of the session: compared in SQL, in bounded memory, whatever they hold. */
export const CREATE = `
CREATE TEMP TABLE rebase_topic (
  topic TEXT, part INT, off BIGINT, id TEXT, endpoint TEXT, effect_key TEXT, dedup_key TEXT, digest TEXT, position BIGINT,
  PRIMARY KEY (topic, part, off))`

/** Repeats are passed by: a consumer that starts again delivers them. */
const INSERT = `
INSERT INTO rebase_topic (topic, part, off, id, endpoint, effect_key, dedup_key, digest, position)
SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[])
    ON CONFLICT DO NOTHING`

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The data of a record, where it is an object. */
export const dataOf = ({ value }: TopicRecord) => {
  const data = parse(value)
  return typeof data === "object" && data !== null && !Array.isArray(data)
    ? (data as Readonly<Record<string, unknown>>)
    : undefined
}

const isFact = Schema.is(Schema.toEncoded(BillingFact))
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null)

/** The position that a record was published from, as text for Postgres. */
export const sequenceOf = ({ headers }: TopicRecord) => {
  const { ce_sequence = "" } = headers
  return /^\d{1,20}$/.test(ce_sequence) && Number.isSafeInteger(Number(ce_sequence)) ? ce_sequence : null
}

const toRow = (topic: OutRecord["topic"], record: TopicRecord) => {
  const { headers, offset, partition } = record
  const data = dataOf(record)
  const { dedup_key, endpoint } = data ?? {}
  const fact = topic === "events" && data !== undefined ? { ...data, type: headers.ce_type } : undefined
  const isKnown = fact !== undefined && isFact(fact)
  return {
    partition,
    offset: String(offset),
    id: text(headers.ce_id),
    endpoint: text(endpoint),
    effectKey: isKnown ? fact.effect_key : null,
    dedupKey: text(dedup_key),
    digest: isKnown
      ? createHash("sha256")
          .update(digestText(fact as BillingFact))
          .digest("hex")
      : null,
    position: sequenceOf(record)
  }
}

/** Both topics up to now; null where there is none. */
export const ranges = Effect.fnUntraced(function* (admin: Admin, names: TopicNames) {
  return {
    events: yield* capture(admin, names.events),
    outcomes: yield* capture(admin, names.outcomes)
  }
})
export type Ranges = Effect.Success<ReturnType<typeof ranges>>

/** What replays put there is not what was published: it is as if it were not there. */
export const isOwn = ({ headers }: TopicRecord) => headers["oncegate-replay"] === undefined

/** Reads a topic and hands each batch to a statement; the statement's failure ends the reading. */
export const eachBatch = Effect.fnUntraced(function* (
  kafka: Kafka,
  range: Range | null,
  work: (records: ReadonlyArray<TopicRecord>) => Effect.Effect<unknown, DatabaseError>
) {
  if (range === null) return
  let failed: DatabaseError | undefined
  yield* read(kafka, range, async (records) => {
    if (failed !== undefined || records.length === 0) return
    const result = await Effect.runPromise(Effect.result(work(records)))
    if (result._tag === "Failure") failed = result.failure
  })
  if (failed !== undefined) return yield* failed
})

/** Fills the table. `onRecords` hears how many were read. */
export const load = Effect.fnUntraced(function* (
  connection: Connection,
  kafka: Kafka,
  found: Ranges,
  onRecords: (records: number) => void
) {
  yield* connection.script("rebase table", CREATE)
  for (const topic of ["events", "outcomes"] as const)
    yield* eachBatch(kafka, found[topic], (records) => {
      onRecords(records.length)
      const rows = records.filter(isOwn).map((record) => toRow(topic, record))
      return connection.query("rebase load", INSERT, [
        topic,
        rows.map(({ partition }) => partition),
        rows.map(({ offset }) => offset),
        rows.map(({ id }) => id),
        rows.map(({ endpoint }) => endpoint),
        rows.map(({ effectKey }) => effectKey),
        rows.map(({ dedupKey }) => dedupKey),
        rows.map(({ digest }) => digest),
        rows.map(({ position }) => position)
      ])
    })
  yield* connection.script(
    "rebase index",
    `CREATE INDEX ON rebase_topic (endpoint, effect_key) WHERE topic = 'events';
     CREATE INDEX ON rebase_topic (id) WHERE topic = 'outcomes'; ANALYZE rebase_topic`
  )
})
