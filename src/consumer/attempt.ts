import { Cause, Effect, Exit } from "effect"
import type postgres from "postgres"
import { faultOf } from "./databaseFault.ts"
import { HandlerTimeout } from "./errors.ts"
import { admit, type Entry } from "./Inbox.ts"
import { inTransaction } from "./Transaction.ts"

/** What came of one try. */
export type Outcome =
  | { readonly _tag: "Handled" }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "Blocked" }
  /** The handler failed; everything of it was rolled back. */
  | { readonly _tag: "Failed"; readonly error: unknown }
  /** Rolled back by the server for another transaction's sake. */
  | { readonly _tag: "Repeat" }
  /** The database cannot serve, or its reply was lost: whether the transaction stands will show at the next try. */
  | { readonly _tag: "DatabaseAway"; readonly code: string }

export interface AttemptOptions {
  readonly sql: postgres.Sql
  readonly blockKeys: boolean
  readonly handlerTimeoutMs: number
}

/** The handler's own failure, told apart from everything that the driver throws around it. */
class Raised {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** The inbox cannot be written: never the record's fault, whatever Postgres calls it. */
class NotAdmitted {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** Beyond the handler's time: for the server to answer BEGIN, ROLLBACK and COMMIT. */
const REPLY_MS = 5_000

/** The code of what a driver threw, or of what it is wrapped in. */
export const databaseCodeOf = (error: unknown, depth = 0): string => {
  if (typeof error !== "object" || error === null || depth > 5) return "UNKNOWN"
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  return typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : databaseCodeOf(cause, depth + 1)
}

const judge = (thrown: unknown): Outcome => {
  const byHandler = thrown instanceof Raised
  const error = byHandler || thrown instanceof NotAdmitted ? thrown.error : thrown
  const away = { _tag: "DatabaseAway", code: databaseCodeOf(error) } as const
  const fault = faultOf(error)
  if (fault === "repeat") return { _tag: "Repeat" }
  if (fault === "away" || thrown instanceof NotAdmitted) return away
  // Deferred constraints speak at COMMIT; a query that the handler did not look at is thrown again by the driver.
  const isOfHandler = byHandler || (error as Error | null)?.name === "PostgresError"
  return isOfHandler ? { _tag: "Failed", error } : away
}

/**
 * One try: the inbox's row and the handler's work in one transaction of the consumer's database, committed or rolled
 * back together. Interrupted, it rolls back.
 */
export const attempt = <R>(
  { sql, blockKeys, handlerTimeoutMs }: AttemptOptions,
  entry: Entry,
  handler: (sql: postgres.TransactionSql) => Effect.Effect<unknown, unknown, R>
): Effect.Effect<Outcome, never, R> =>
  Effect.flatMap(Effect.context<R>(), (context) =>
    inTransaction(sql, handlerTimeoutMs + REPLY_MS, async ({ sql: tx, shut, signal }): Promise<Outcome> => {
      const options = { blockKeys, limitMs: handlerTimeoutMs + 1_000 }
      const admission = await admit(tx, entry, options).catch((error) => {
        throw new NotAdmitted(error)
      })
      if (admission === "duplicate") return { _tag: "Duplicate" }
      if (admission === "blocked") return { _tag: "Blocked" }
      // Shut before the handler is told to stop: what it does then must not reach the transaction.
      const timeUp = Effect.sleep(handlerTimeoutMs).pipe(
        Effect.andThen(Effect.sync(shut)),
        Effect.andThen(Effect.fail(new HandlerTimeout({ limitMs: handlerTimeoutMs })))
      )
      const exit = await Effect.runPromiseExitWith(context)(
        Effect.raceFirst(
          Effect.suspend(() => handler(tx)),
          timeUp
        ),
        { signal }
      )
      if (Exit.isFailure(exit)) throw new Raised(Cause.squash(exit.cause))
      return { _tag: "Handled" }
    }).pipe(Effect.catch((thrown) => Effect.succeed(judge(thrown))))
  )
