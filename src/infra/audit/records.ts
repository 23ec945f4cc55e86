import { Effect } from "effect"
import type { KafkaFailed } from "../kafka/KafkaFailed.ts"
import { type EndpointFacts, toRecord } from "../kafka/Records.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import type { LogRow } from "../postgres/LogReader.ts"
import type { AuditRun } from "./AuditRun.ts"
import { compareSides, type Entry, type Side } from "./compareSides.ts"
import type { Reach } from "./Horizon.ts"
import type { Published } from "./Published.ts"
import type { Snapshot } from "./Snapshot.ts"
import { read, type TopicRecord } from "./Topic.ts"

interface Row extends Omit<LogRow, "position"> {
  readonly row_position: string
  readonly published: boolean
}

/** Rows of the log that a topic has a record of, and whether the checkpoint of the relay covers them. */
const ROWS = `
SELECT l.position AS row_position, l.provider, l.dedup_key, l.type, l.type_version, l.data, l.event_id, l.trace, l.at,
       pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot)
         OR (l.position <= $4::bigint AND pg_visible_in_snapshot(l.xid, $3::text::pg_snapshot)) AS published
  FROM webhook_event_log l
 WHERE ($1::text IS NULL OR l.provider = $1) AND (l.type = 'BillingEventRecorded') = $5::boolean
   AND l.type IN ('BillingEventRecorded', 'Completed', 'DuplicateSeen', 'Failed', 'Parked', 'Quarantined', 'Redriven',
                  'Dismissed', 'Reinterpreted')`

/** Records of a history that a restore undid: a rebase found them in the topics, and they stay there. */
const STRAYS = `
SELECT s.id, s.key, s.type, s.data, s.at, s.data->>'dedup_key' AS dedup_key, s.data->>'endpoint' AS endpoint
  FROM relay_strays s
 WHERE s.topic = $1 AND ($2::text IS NULL OR s.data->>'endpoint' = $2)`

interface Stray {
  readonly id: string
  readonly key: string
  readonly type: string
  readonly data: unknown
  readonly at: Date | null
  readonly dedup_key: string | null
  readonly endpoint: string | null
}

/** The same text for the same data, whatever the order of its fields. */
const canonical = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(canonical)
    : typeof value === "object" && value !== null
      ? Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, field]) => [name, canonical(field)])
      : value

const contentOf = (key: string, type: string, data: unknown) =>
  `${key}\n${type}\n${JSON.stringify(canonical(data))}`

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const endpointOf = ({ headers }: TopicRecord) => (headers.ce_source ?? "").replace(/^\/oncegate\//, "")

/** Compares a topic with the log: each record of the log exactly once, with its data, and nothing else. */
export const compareRecords = Effect.fnUntraced(function* (
  snapshot: Snapshot,
  run: AuditRun,
  published: Published,
  reach: Reach,
  topic: "events" | "outcomes",
  enough: () => boolean
) {
  const found = yield* snapshot.connection.query<{ name: string } & NonNullable<EndpointFacts>>(
    "audit endpoints",
    "SELECT name, kind, environment FROM webhook_endpoints"
  )
  const endpoints = new Map(found.map(({ environment, kind, name }) => [name, { kind, environment }]))
  const since = topic === "outcomes" ? published.outcomesSince : Number.NEGATIVE_INFINITY
  const { from, position, to } = published.place

  const strays: Side<DatabaseError, never> = (onEntries) =>
    snapshot.each<Stray, never, never>("strays", STRAYS, [topic, run.endpoint], (rows) =>
      Effect.sync(() =>
        onEntries(
          rows.map(({ at, data, dedup_key, endpoint, id, key, type }) => ({
            id,
            content: contentOf(key, type, data),
            endpoint: endpoint ?? "",
            key: dedup_key ?? "",
            optional: at !== null && at.getTime() < since
          }))
        )
      )
    )
  const logged: Side<DatabaseError, never> = (onEntries) =>
    snapshot.each<Row, never, never>(
      topic,
      ROWS,
      [run.endpoint, from, to, position, topic === "events"],
      (rows) =>
        Effect.sync(() => {
          run.onRows("records", rows.length)
          onEntries(
            rows.flatMap(({ published, row_position, ...row }): ReadonlyArray<Entry> => {
              const record = toRecord({ ...row, position: Number(row_position) }, endpoints.get(row.provider))
              if (record === undefined) return []
              return [
                {
                  id: record.headers.ce_id!,
                  content: contentOf(record.key, record.headers.ce_type!, parse(record.value.toString())),
                  endpoint: row.provider,
                  key: row.dedup_key,
                  optional: !published || row.at.getTime() < since
                }
              ]
            })
          )
        })
    )
  const expected: Side<DatabaseError | KafkaFailed, never> = (onEntries) =>
    Effect.andThen(logged(onEntries), strays(onEntries))
  const present: Side<DatabaseError | KafkaFailed, never> = (onEntries) =>
    read(published.kafka, published[topic], (records) => {
      run.onRows("records", records.length)
      onEntries(
        records.flatMap((record): ReadonlyArray<Entry> => {
          const { headers, key, value } = record
          // Republished by a person, with the same ids: no second fact.
          if (headers["oncegate-replay"] !== undefined) return []
          const endpoint = endpointOf(record)
          if (run.endpoint !== null && run.endpoint !== endpoint) return []
          const data = parse(value)
          const dedupKey = (data as { dedup_key?: unknown } | null)?.dedup_key
          return [
            {
              id: headers.ce_id ?? "",
              content: contentOf(key, headers.ce_type ?? "", data),
              endpoint,
              key: typeof dedupKey === "string" ? dedupKey : "",
              // Of a part of the log that was dropped, or of a time that the topic forgets.
              optional:
                Number(headers.ce_sequence ?? "") < reach.logPosition ||
                Date.parse(headers.ce_time ?? "") < since
            }
          ]
        })
      )
    })
  return yield* compareSides(
    run,
    expected,
    present,
    {
      missing: "record_missing",
      unknown: "record_unknown",
      doubled: "record_doubled",
      differs: "record_differs"
    },
    enough
  )
})
