import { Effect } from "effect"
import type { Connection } from "./Database.ts"

/** A row of the log that some topic wants. */
export interface LogRow {
  readonly position: number
  readonly provider: string
  readonly dedup_key: string
  readonly type: string
  readonly type_version: number
  readonly data: Readonly<Record<string, unknown>>
  readonly event_id: string
  readonly trace: string | null
  readonly at: Date
}

/**
 * A place in the log. A difference is everything that became visible between two snapshots, in the order of its
 * positions; at and below `position` it is done. Unlike a cursor over positions or transaction ids it misses no late
 * committer, keeps the order of each key and waits for nobody.
 */
export interface Place {
  readonly from: string
  readonly to: string
  readonly position: number
}

/** Before the first row of any log: transaction ids begin at 3. */
export const origin: Place = { from: "1:1:", to: "1:1:", position: -1 }

/** The place at which a difference is done and the next one begins. */
const after = (snapshot: string): Place => ({ from: snapshot, to: snapshot, position: -1 })

/** A place, and how the rest of its difference is best read. `large` is unknown after a restart. */
interface Reading extends Place {
  readonly large: boolean | undefined
  /** No row of the difference lies behind it. */
  readonly head: number
}

export interface Page {
  /** Rows that a topic wants, by position. */
  readonly rows: ReadonlyArray<LogRow>
  /** The place once these rows are published. */
  readonly done: Place
  /** Where to read on. */
  readonly next: Reading
  /** False where the log had nothing more to give: waiting pays. */
  readonly more: boolean
}

export const startAt = (place: Place): Reading => ({ ...place, large: undefined, head: 0 })

/** Up to this many rows a difference is read by transaction id, sorted again for each page. */
const SMALL = 10_000
/** Positions that one statement looks at in a large difference: bounds its time, whatever the log holds. */
const WINDOW = 10_000

/** Rows that some topic wants. */
export const WANTED = `l.type IN ('BillingEventRecorded', 'Completed', 'DuplicateSeen', 'Failed', 'Parked', 'Quarantined',
  'Redriven', 'Dismissed', 'Reinterpreted')`
// Nothing here is named like a column that it sorts by: a text output column would sort 1000 before 999.
const COLUMNS = `l.position AS row_position, l.provider, l.dedup_key, l.type, l.type_version, l.data, l.event_id, l.trace, l.at`

interface SqlRow extends Omit<LogRow, "position"> {
  readonly row_position: string
}
const toRows = (rows: ReadonlyArray<SqlRow>): ReadonlyArray<LogRow> =>
  rows.map((row) => ({
    position: Number(row.row_position),
    provider: row.provider,
    dedup_key: row.dedup_key,
    type: row.type,
    type_version: row.type_version,
    data: row.data,
    event_id: row.event_id,
    trace: row.trace,
    at: row.at
  }))

/**
 * How the session must be set for these statements. There is one good way for each of them, by an index and in its order,
 * so that a limit ends it; they are planned once for it, whatever the statistics said then, because a plan costs more
 * than a small page.
 */
export const prepareSession = (connection: Connection) =>
  Effect.asVoid(
    connection.query(
      "relay.settings",
      `SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
              set_config('enable_bitmapscan', 'off', false), set_config('max_parallel_workers_per_gather', '0', false),
              set_config('default_transaction_isolation', 'read committed', false)`
    )
  )

/**
 * True where the log or the saved snapshot knows transaction ids that this server has not reached: a dump of another
 * cluster. Its rows would count as visible by chance.
 */
export const isAheadOfServer = (connection: Connection, place: Place) =>
  Effect.map(
    connection.query<{ ahead: boolean }>(
      "relay.ahead",
      `SELECT pg_snapshot_xmax($1::text::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
           OR EXISTS (SELECT FROM (SELECT xid FROM webhook_event_log ORDER BY xid DESC LIMIT 1) l
                       WHERE l.xid >= pg_snapshot_xmax(pg_current_snapshot())) AS ahead`,
      [place.to]
    ),
    ([row]) => row?.ahead === true
  )

/** How far the log goes, and how much of it became visible after an older snapshot, counted up to a bound. */
const measure = (connection: Connection, from: string) =>
  Effect.map(
    connection.query<{ head: string; size: string }>(
      "relay.measure",
      `SELECT (SELECT last_value FROM webhook_event_log_position_seq) AS head,
              (SELECT count(*) FROM (SELECT FROM webhook_event_log
                 WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) LIMIT ${SMALL + 1}) fresh)
            + (SELECT count(*) FROM (SELECT FROM webhook_event_log
                 WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot))) LIMIT ${SMALL + 1}) late) AS size`,
      [from]
    ),
    ([row]) => ({ head: Number(row!.head), size: Number(row!.size) })
  )

/**
 * The first page of the difference from an older snapshot to now, where it is a small one, in one statement with its
 * measure: what this can see is what its own snapshot calls visible.
 */
const freshPage = (connection: Connection, from: string, limit: number) =>
  Effect.map(
    connection.query<SqlRow & { to_snapshot: string; head: string; size: string }>(
      "relay.fresh_page",
      `WITH near AS MATERIALIZED (
         (SELECT * FROM webhook_event_log WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) LIMIT ${SMALL + 1})
         UNION ALL
         (SELECT * FROM webhook_event_log WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
           LIMIT ${SMALL + 1})
       ), measured AS (
         SELECT pg_current_snapshot()::text AS to_snapshot,
                (SELECT last_value FROM webhook_event_log_position_seq) AS head, (SELECT count(*) FROM near) AS size
       )
       SELECT m.to_snapshot, m.head, m.size, ${COLUMNS}
         FROM measured m LEFT JOIN near l ON m.size <= ${SMALL} AND ${WANTED}
        ORDER BY l.position LIMIT $2::int`,
      [from, limit]
    ),
    (found) => ({
      to: found[0]!.to_snapshot,
      head: Number(found[0]!.head),
      size: Number(found[0]!.size),
      rows: toRows(found.filter((row) => row.row_position !== null))
    })
  )

/** A page of a small difference, by transaction id. `+ 0` keeps the planner from walking the positions instead. */
const pageByXid = (connection: Connection, place: Place, limit: number) =>
  Effect.map(
    connection.query<SqlRow>(
      "relay.page_by_xid",
      `SELECT ${COLUMNS} FROM (
         SELECT * FROM webhook_event_log
          WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) AND xid < pg_snapshot_xmax($2::text::pg_snapshot)
         UNION ALL
         SELECT * FROM webhook_event_log WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
       ) l
       WHERE l.position + 0 > $3::bigint AND pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot) AND ${WANTED}
       ORDER BY l.position + 0 LIMIT $4::int`,
      [place.from, place.to, place.position, limit]
    ),
    toRows
  )

/** A page of a large difference: walks one window of positions. */
const pageByPosition = (connection: Connection, place: Place, end: number, limit: number) =>
  Effect.map(
    connection.query<SqlRow>(
      "relay.page_by_position",
      `SELECT ${COLUMNS} FROM webhook_event_log l
        WHERE l.position > $3::bigint AND l.position <= $4::bigint AND ${WANTED}
          AND pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot)
          AND NOT pg_visible_in_snapshot(l.xid, $1::text::pg_snapshot)
        ORDER BY l.position LIMIT $5::int`,
      [place.from, place.to, place.position, end, limit]
    ),
    toRows
  )

/**
 * The lowest position of a large difference, in steps of bounded size. A transaction takes positions before its id, so
 * neither the older snapshot nor its time bounds them. `+ 0` again keeps the planner from the positions: where nothing is
 * late, it would walk all of the log to its end.
 */
const lowestPosition = Effect.fnUntraced(function* (connection: Connection, from: string) {
  const [late] = yield* connection.query<{ lowest: string | null; xmax: string }>(
    "relay.lowest_late",
    `SELECT min(l.position + 0) AS lowest, pg_snapshot_xmax($1::text::pg_snapshot)::text AS xmax FROM webhook_event_log l
      WHERE l.xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))`,
    [from]
  )
  let lowest = late?.lowest == null ? Number.POSITIVE_INFINITY : Number(late.lowest)
  let xid = BigInt(late!.xmax)
  while (true) {
    // With ties: the step ends behind a whole transaction.
    const [step] = yield* connection.query<{ lowest: string | null; last: string | null }>(
      "relay.lowest_step",
      `SELECT min(s.position) AS lowest, max(s.xid::text::numeric)::text AS last FROM (
         SELECT l.position, l.xid FROM webhook_event_log l WHERE l.xid >= $1::text::xid8
          ORDER BY l.xid FETCH FIRST ${WINDOW} ROWS WITH TIES) s`,
      [String(xid)]
    )
    if (step?.lowest == null || step.last === null) return lowest
    lowest = Math.min(lowest, Number(step.lowest))
    xid = BigInt(step.last) + 1n
  }
})

/** The next rows of the log, at most `limit`, and never of more than one difference. */
export const next = Effect.fnUntraced(function* (connection: Connection, at: Reading, limit: number) {
  let reading = at
  let rows: ReadonlyArray<LogRow> | undefined
  // What remains of a difference that was begun already, or the next one: from the last snapshot to now.
  const fresh = reading.from === reading.to
  if (fresh) {
    const { head, rows: first, size, to } = yield* freshPage(connection, reading.from, limit)
    if (size === 0)
      return { rows: [], done: after(to), next: { ...startAt(after(to)), head }, more: false } satisfies Page
    reading = { ...reading, to, head, large: size > SMALL }
    if (!reading.large) rows = first
  } else if (reading.large === undefined) {
    const { head, size } = yield* measure(connection, reading.from)
    reading = { ...reading, head, large: size > SMALL }
  }
  if (reading.large === true && reading.position < 0) {
    const lowest = yield* lowestPosition(connection, reading.from)
    reading = { ...reading, position: Math.min(lowest, reading.head) - 1 }
  }

  let exhausted: boolean
  if (reading.large === true) {
    do {
      const end = Math.min(reading.position + WINDOW, reading.head)
      rows = yield* pageByPosition(connection, reading, end, limit)
      reading = { ...reading, position: rows.length < limit ? end : rows.at(-1)!.position }
      exhausted = reading.position >= reading.head
    } while (rows.length === 0 && !exhausted)
  } else {
    rows ??= yield* pageByXid(connection, reading, limit)
    exhausted = rows.length < limit
    reading = { ...reading, position: rows.at(-1)?.position ?? reading.position }
  }
  return {
    rows,
    done: { from: reading.from, to: reading.to, position: reading.position },
    next: exhausted ? { ...startAt(after(reading.to)), head: reading.head } : reading,
    more: !exhausted || !fresh
  } satisfies Page
})

/** A page in two: what one transaction of Kafka takes, and the rows that it could not take. */
export const cut = (page: Page, count: number): readonly [front: Page, rest: Page] => {
  const position = page.rows[count - 1]!.position
  const done = { from: page.done.from, to: page.done.to, position }
  const front = {
    rows: page.rows.slice(0, count),
    done,
    // Where the difference was at its end already, how to read it must be found out again.
    next: {
      ...done,
      head: page.next.head,
      large: page.next.from === page.done.from ? page.next.large : undefined
    },
    more: true
  }
  return [front, { ...page, rows: page.rows.slice(count) }]
}
