import { Effect } from "effect"
import {
  type Fold,
  finish,
  type Horizon,
  type Kind,
  type LogEntry,
  nothing,
  step,
  type TableRow
} from "../../domain/Audit.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import { type AuditRun, report } from "./AuditRun.ts"
import type { Snapshot } from "./Snapshot.ts"

interface LogColumns {
  readonly provider: string
  readonly dedup_key: string
  /** Null where the event has no log. */
  readonly row_position: string | null
  readonly log_version: number
  readonly type: string
  readonly type_version: number
  readonly data: unknown
  readonly at: Date
}

interface Columns extends LogColumns {
  readonly status: string
  readonly fence: number
  readonly version: number
  readonly attempts: number
  readonly failures: number
  readonly error_code: string | null
  readonly parked: boolean | null
  readonly first_seen_at: Date
  readonly body: boolean
}

const LOG = `l.position AS row_position, l.version AS log_version, l.type, l.type_version, l.data, l.at`

/** Every row of the table with its body's presence and its log: three index walks in key order, merged by the server. */
const KEYS = `
SELECT e.provider, e.dedup_key, e.status, e.fence, e.version, e.attempts, e.failures, e.error_code,
       e.next_attempt_at = 'infinity' AS parked, e.first_seen_at, p.provider IS NOT NULL AS body, ${LOG}
  FROM webhook_dedup_events e
  LEFT JOIN webhook_payloads p ON p.provider = e.provider AND p.dedup_key = e.dedup_key
  LEFT JOIN webhook_event_log l ON l.provider = e.provider AND l.dedup_key = e.dedup_key
 WHERE $1::text IS NULL OR e.provider = $1
 ORDER BY e.provider, e.dedup_key, l.position`

/** Logs without a row: purged keys, forgeries of keys that never came, and rows that were lost. */
const ROWLESS = `
SELECT l.provider, l.dedup_key, ${LOG} FROM webhook_event_log l
 WHERE ($1::text IS NULL OR l.provider = $1)
   AND NOT EXISTS (SELECT FROM webhook_dedup_events e WHERE e.provider = l.provider AND e.dedup_key = l.dedup_key)
 ORDER BY l.provider, l.dedup_key, l.position`

const entryOf = (row: LogColumns): LogEntry => ({
  position: Number(row.row_position),
  version: row.log_version,
  type: row.type,
  typeVersion: row.type_version,
  data: row.data,
  at: row.at.getTime()
})

const tableRowOf = (row: Columns): TableRow => ({
  status: row.status,
  fence: row.fence,
  version: row.version,
  attempts: row.attempts,
  failures: row.failures,
  errorCode: row.error_code,
  parked: row.parked === true,
  firstSeenAt: row.first_seen_at.getTime(),
  body: row.body
})

/** The event that is being folded. */
interface Open {
  readonly endpoint: string
  readonly key: string
  readonly row: TableRow | null
  fold: Fold
}

/** An event whose log was read to its end. */
export interface Folded {
  readonly endpoint: string
  readonly key: string
  readonly fold: Fold
}

/** Folds the log of every event and compares it with its row. One event is in memory at a time, and one page of rows. */
export const foldKeys = Effect.fnUntraced(function* (
  snapshot: Snapshot,
  run: AuditRun,
  horizon: Horizon,
  onFolded?: (folded: ReadonlyArray<Folded>) => Effect.Effect<void, DatabaseError>
) {
  const kinds: Record<Kind, number> = {
    compared: 0,
    purged: 0,
    without_history: 0,
    beyond_horizon: 0,
    notes_only: 0
  }
  let logRows = 0
  let open: Open | undefined

  const close = (into: Array<Folded>) => {
    if (open === undefined) return []
    const { endpoint, fold, key, row } = open
    open = undefined
    const { differences, kind } = finish(fold, row, horizon)
    kinds[kind] += 1
    if (fold.firstVersion > 0) into.push({ endpoint, key, fold })
    return differences.map((difference) => ({ endpoint, key, ...difference }))
  }
  const walk = <Row extends LogColumns>(
    name: string,
    text: string,
    tableRow: (row: Row) => TableRow | null
  ) =>
    Effect.gen(function* () {
      const settle = Effect.fnUntraced(function* (rows: ReadonlyArray<Row>) {
        const folded: Array<Folded> = []
        const findings = rows.flatMap((row) => {
          const ended =
            open !== undefined && (open.key !== row.dedup_key || open.endpoint !== row.provider)
              ? close(folded)
              : []
          open ??= { endpoint: row.provider, key: row.dedup_key, row: tableRow(row), fold: nothing }
          if (row.row_position !== null) {
            logRows += 1
            open.fold = step(open.fold, entryOf(row), horizon)
          }
          return ended
        })
        if (rows.length === 0) findings.push(...close(folded))
        run.onRows("events", rows.length)
        yield* report(run, findings)
        if (onFolded !== undefined && folded.length > 0) yield* onFolded(folded)
      })
      yield* snapshot.each<Row, DatabaseError, never>(name, text, [run.endpoint], settle)
      yield* settle([])
    })

  yield* walk<Columns>("keys", KEYS, tableRowOf)
  yield* walk<LogColumns>("rowless", ROWLESS, () => null)
  return { kinds, logRows }
})
