import type { Base } from "./Base.ts"
import type { Statement } from "./Measured.ts"

/** Forgets what was counted so far; false where the extension is not there. */
export const forget = ({ sql }: Base) =>
  sql.unsafe("CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()").then(
    () => true,
    () => false
  )

/** The dearest statements of this database since. */
export const dearest = async ({ sql }: Base): Promise<ReadonlyArray<Statement>> => {
  const rows = await sql<Array<{ query: string; calls: number; total: number; rows: number; wal: number }>>`
    SELECT query, calls::float8 AS calls, total_exec_time AS total, rows::float8 AS rows, wal_bytes::float8 AS wal
      FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid
     WHERE d.datname = current_database() ORDER BY total_exec_time DESC LIMIT 8`
  return rows.map(({ calls, query, rows, total, wal }) => ({
    text: query.replace(/\s+/g, " ").trim().slice(0, 120),
    calls,
    totalMs: total,
    meanMs: total / calls,
    rows,
    walBytes: wal
  }))
}
