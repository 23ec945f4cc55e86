import { Effect } from "effect"
import type { Connection } from "../postgres/Database.ts"
import type { LogRow } from "../postgres/LogReader.ts"
import { check } from "./copy.ts"
import * as KnownEndpoints from "./KnownEndpoints.ts"
import { type OutRecord, toRecord } from "./Records.ts"

/** Columns of the log as a record is made of them. */
export const LOG_COLUMNS =
  "l.position AS row_position, l.provider, l.dedup_key, l.type, l.type_version, l.data, l.event_id, l.trace, l.at"

export interface LogSqlRow extends Omit<LogRow, "position"> {
  readonly row_position: string
}

/** Rows as the relay would publish them, for whoever publishes beside it; fails where it would stop. */
export const make = (connection: Connection) => {
  const endpoints = KnownEndpoints.make()
  return Effect.fnUntraced(function* (sqlRows: ReadonlyArray<LogSqlRow>) {
    const rows = sqlRows.map(
      ({ row_position, ...row }): LogRow => ({ ...row, position: Number(row_position) })
    )
    yield* endpoints.learn(connection, rows)
    yield* check(rows, (name) => endpoints.of(name) !== undefined)
    const records: Array<{ readonly position: number; readonly record: OutRecord }> = []
    for (const row of rows) {
      const record = toRecord(row, endpoints.of(row.provider))
      if (record !== undefined) records.push({ position: row.position, record })
    }
    return records
  })
}
