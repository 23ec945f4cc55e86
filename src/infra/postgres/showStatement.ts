import { Effect } from "effect"
import type { BillingFact } from "../../domain/BillingFact.ts"
import type { EventName } from "../../domain/Events.ts"
import type { EventDetail, LogLine } from "../../domain/EventView.ts"
import { factId } from "../kafka/FactId.ts"
import type { Connection } from "./Database.ts"
import { SUMMARY } from "./listStatement.ts"

/** A storm of duplicates can make a long log: this many rows are shown, the newest ones. */
const SHOWN = 1_000

const ROW = `
SELECT ${SUMMARY}, request_hash, fence, version,
       to_char(last_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_seen_at,
       to_char(lease_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS lease_until,
       CASE WHEN EXISTS (SELECT FROM webhook_payloads p WHERE p.provider = e.provider AND p.dedup_key = e.dedup_key)
            THEN 'in custody' ELSE 'gone' END AS body,
       (SELECT count(*)::int FROM webhook_event_log l WHERE l.provider = e.provider AND l.dedup_key = e.dedup_key) AS log_rows
  FROM webhook_dedup_events e WHERE provider = $1 AND dedup_key = $2`

/** Newest first, and the facts whatever their age. */
const LOG = `
SELECT position::text AS row_position, version, type, data, event_id,
       to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
  FROM webhook_event_log l
 WHERE provider = $1 AND dedup_key = $2 AND (NOT $3::boolean OR type = 'BillingEventRecorded')
 ORDER BY l.position DESC LIMIT ${SHOWN}`

interface LogRow extends Omit<LogLine, "position"> {
  readonly row_position: string
}

/** The event and its log, or undefined. Read in two statements: a change in between shows as a log ahead of its row. */
export const showRow = Effect.fnUntraced(function* (
  connection: Connection,
  { dedupKey, endpoint }: EventName
) {
  const [row] = yield* connection.query<Omit<EventDetail, "facts" | "log"> & { log_rows: number }>(
    "events show",
    ROW,
    [endpoint, dedupKey]
  )
  if (row === undefined) return undefined
  const read = (factsAlone: boolean) =>
    Effect.map(
      connection.query<LogRow>("events log", LOG, [endpoint, dedupKey, factsAlone]),
      (rows): ReadonlyArray<LogLine> =>
        rows.toReversed().map(({ row_position, ...line }) => ({ position: Number(row_position), ...line }))
    )
  const { log_rows, ...summary } = row
  const log = yield* read(false)
  const omitted = Math.max(0, log_rows - log.length)
  const told = (omitted === 0 ? log : yield* read(true)).filter(({ type }) => type === "BillingEventRecorded")
  return {
    ...summary,
    facts: told.map(({ data, position }) => {
      const { fact } = data as { readonly fact: BillingFact }
      return { id: factId(endpoint, fact.effect_key), position, ...fact }
    }),
    log,
    log_omitted: omitted
  } satisfies EventDetail
})
