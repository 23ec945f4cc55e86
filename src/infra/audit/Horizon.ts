import { Effect } from "effect"
import type { Horizon } from "../../domain/Audit.ts"
import type { Connection } from "../postgres/Database.ts"

/** What retention has taken so far, and the first position of the log that it left. */
export interface Reach extends Horizon {
  readonly logPosition: number
}

/** Read in the snapshot of the audit: marks move in the commit of the deletion. */
export const readReach = (connection: Connection) =>
  Effect.map(
    connection.query<{ what: string; log_position: string; before_ms: number | null }>(
      "audit horizon",
      `SELECT what, log_position, CASE WHEN isfinite(gone_before) THEN extract(epoch FROM gone_before)::float8 * 1000 END AS before_ms
         FROM retention_marks`
    ),
    (rows): Reach => {
      const mark = (what: string) => rows.find((row) => row.what === what)
      const before = (what: string) => mark(what)?.before_ms ?? Number.NEGATIVE_INFINITY
      return {
        log: before("log"),
        keys: before("keys"),
        bodies: before("bodies"),
        bodiesWithoutFact: before("bodies_without_fact"),
        logPosition: Number(mark("log")?.log_position ?? 0)
      }
    }
  )
