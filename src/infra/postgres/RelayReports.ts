import type { Connection } from "./Database.ts"

/** What one relay said about itself last. */
export interface RelayReport {
  readonly instance: string
  readonly state: string
  readonly code: string | null
  readonly explanation: string | null
  readonly records: number
  /** Records a second, up to its report. */
  readonly rate: number
  /** Of this state and code. ISO 8601. */
  readonly since: string
  readonly reported_seconds: number
}

export type NewReport = Omit<RelayReport, "since" | "reported_seconds">

/** One row for each instance; `since` moves only with the state. */
export const write = (connection: Connection, report: NewReport) =>
  connection.query(
    "relay report",
    `WITH old AS (DELETE FROM relay_reports WHERE reported_at < now() - interval '1 day')
     INSERT INTO relay_reports AS r (instance, state, code, explanation, records, rate)
     VALUES ($1::uuid, $2, $3, $4, $5::bigint, $6::real)
     ON CONFLICT (instance) DO UPDATE SET state = $2, code = $3, explanation = $4, records = $5::bigint, rate = $6::real,
       since = CASE WHEN r.state = $2 AND r.code IS NOT DISTINCT FROM $3 THEN r.since ELSE clock_timestamp() END,
       reported_at = clock_timestamp()
     RETURNING 1`,
    [report.instance, report.state, report.code, report.explanation, report.records, report.rate]
  )

/** An orderly end: nobody waits for this relay. */
export const remove = (connection: Connection, instance: string) =>
  connection.query("relay report end", "DELETE FROM relay_reports WHERE instance = $1::uuid RETURNING 1", [
    instance
  ])

export const read = (connection: Connection) =>
  connection.query<RelayReport>(
    "relay reports",
    `SELECT instance, state, code, explanation, records::int AS records, rate::float8 AS rate,
            to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
            extract(epoch FROM clock_timestamp() - reported_at)::float8 AS reported_seconds
       FROM relay_reports ORDER BY state, since`
  )
