import { Effect } from "effect"
import { unhurried } from "../../domain/unhurried.ts"
import { type Connection, Database } from "../postgres/Database.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"

/** Rows that are in memory at once, and for which whoever posts may have to wait. */
const PAGE = 100

/** One consistent view of the database, read through cursors. */
export interface Snapshot {
  readonly connection: Connection
  /** Calls `onPage` with the rows of a statement, page by page; the server holds the rest. */
  readonly each: <Row extends object, E, R>(
    name: string,
    text: string,
    parameters: ReadonlyArray<unknown>,
    onPage: (rows: ReadonlyArray<Row>) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, DatabaseError | E, R>
}

/**
 * Opens a transaction whose every statement sees the same moment: what is in flight is wholly there or not at all, and
 * the gate waits for nothing. Should the connection be lost, the cursor is gone with it and the audit fails.
 */
export const open = Effect.fnUntraced(function* (mode: "READ ONLY" | "READ WRITE") {
  const database = yield* Database
  const connection = yield* database.session("audit", 2 ** 31 - 1)
  yield* connection.script(
    "audit session",
    // Index scans in key order, merged: nothing is sorted or hashed as a whole, whatever the statistics say.
    `SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
     SET plan_cache_mode = force_custom_plan; SET enable_hashjoin = off; SET enable_nestloop = off;
     SET max_parallel_workers_per_gather = 0; SET work_mem = '32MB'`
  )
  yield* connection.script("audit begin", `BEGIN ISOLATION LEVEL REPEATABLE READ ${mode}; SELECT 1`)
  yield* Effect.addFinalizer(() => Effect.ignore(connection.script("audit end", "ROLLBACK")))
  let cursors = 0
  const each: Snapshot["each"] = (name, text, parameters, onPage) =>
    Effect.gen(function* () {
      // A name of its own: a prepared FETCH remembers the columns of its cursor.
      cursors += 1
      const cursor = `audit_${cursors}`
      yield* connection.query(`audit ${name}`, `DECLARE ${cursor} NO SCROLL CURSOR FOR ${text}`, parameters)
      while (true) {
        const rows = yield* unhurried(connection.query(`audit ${name}`, `FETCH ${PAGE} FROM ${cursor}`))
        if (rows.length > 0) yield* onPage(rows as ReadonlyArray<never>)
        if (rows.length < PAGE) break
      }
      yield* connection.script(`audit ${name}`, `CLOSE ${cursor}`)
    })
  return { connection, each } satisfies Snapshot
})
