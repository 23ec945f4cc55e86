import type { Connection } from "./Database.ts"

/** A relay reports every few seconds: one that said nothing for so long ended without a word, or is cut off. */
const GONE_SECONDS = 30

/** What one relay said about itself last. */
export interface RelayReport {
  readonly instance: string
  /** As it said; `gone` where it says nothing any more. */
  readonly state: string
  readonly code: string | null
  readonly explanation: string | null
  readonly records: number
  /** Records a second, up to its report. */
  readonly rate: number
  /** Of this state and code; of one that is gone its last word. ISO 8601. */
  readonly since: string
  readonly reported_seconds: number
}

export type NewReport = Omit<RelayReport, "since" | "reported_seconds">

/** One row for each instance; `since` moves only with the state. One that is gone is forgotten after an hour of others. */
export const write = (connection: Connection, report: NewReport) =>
  connection.query(
    "relay report",
    `WITH old AS (DELETE FROM relay_reports WHERE reported_at < now() - interval '1 hour')
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

/** Those that are heard of first. */
export const read = (connection: Connection) =>
  connection.query<RelayReport>(
    "relay reports",
    `SELECT instance, CASE WHEN gone THEN 'gone' ELSE state END AS state,
            CASE WHEN NOT gone THEN code END AS code, CASE WHEN NOT gone THEN explanation END AS explanation,
            records::int AS records, CASE WHEN gone THEN 0 ELSE rate END::float8 AS rate,
            to_char((CASE WHEN gone THEN reported_at ELSE since END) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
            extract(epoch FROM clock_timestamp() - reported_at)::float8 AS reported_seconds
       FROM (SELECT *, reported_at < clock_timestamp() - interval '${GONE_SECONDS} seconds' AS gone FROM relay_reports) r
      ORDER BY gone, state, since`
  )

/**
 * All of them as one: the active one, else the one in trouble, else whoever is there; `gone` where none is heard any
 * more, null where none reported at all.
 */
export const together = (reports: ReadonlyArray<RelayReport>): RelayReport | null =>
  reports.find(({ state }) => state === "active") ??
  reports.find(({ code }) => code !== null) ??
  reports.find(({ state }) => state !== "gone") ??
  reports.at(-1) ??
  null
