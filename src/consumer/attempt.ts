import { Cause, Effect, Exit } from "effect"
import type postgres from "postgres"
import { faultOf, isOfValue } from "./databaseFault.ts"
import { HandlerTimeout } from "./errors.ts"
import { admit, type Entry } from "./Inbox.ts"
import { guard } from "./Transaction.ts"

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

const PROBE_MS = 2_000
/** Beyond the handler's time: for the server to answer BEGIN, ROLLBACK and COMMIT. */
const REPLY_MS = 5_000

/** Whether the database takes writes. Never hangs: a dying server can make the driver forget a query. */
export const isWritable = (sql: postgres.Sql) =>
  Effect.callback<boolean>((resume) => {
    const timer = setTimeout(() => resume(Effect.succeed(false)), PROBE_MS)
    sql<[{ writable: boolean }]>`SELECT current_setting('transaction_read_only') = 'off' AS writable`.then(
      ([row]) => resume(Effect.succeed(row.writable)),
      () => resume(Effect.succeed(false))
    )
    return Effect.sync(() => clearTimeout(timer))
  })

const codeOf = (error: unknown) => {
  const code = (error as { readonly code?: unknown } | null)?.code
  return typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : "UNKNOWN"
}

const judge = Effect.fnUntraced(function* (sql: postgres.Sql, thrown: unknown) {
  const byHandler = thrown instanceof Raised
  const error = byHandler ? thrown.error : thrown
  const fault = faultOf(error)
  if (fault === "repeat") return { _tag: "Repeat" } as const
  if (fault === "away") return { _tag: "DatabaseAway", code: codeOf(error) } as const
  // Deferred constraints speak at COMMIT; a query that the handler did not look at is thrown again by the driver.
  if (!byHandler && !isOfValue(error) && (error as Error | null)?.name !== "PostgresError")
    return { _tag: "DatabaseAway", code: codeOf(error) } as const
  // A handler may wrap or hide what the driver said: a record is blamed only while the database answers.
  return (yield* isWritable(sql))
    ? ({ _tag: "Failed", error } as const)
    : ({ _tag: "DatabaseAway", code: codeOf(error) } as const)
})

/**
 * One try: the inbox's row and the handler's work in one transaction of the consumer's database, committed or rolled
 * back together. Interrupted, it rolls back.
 */
export const attempt = <R>(
  { sql, blockKeys, handlerTimeoutMs }: AttemptOptions,
  entry: Entry,
  handler: (sql: postgres.TransactionSql) => Effect.Effect<unknown, unknown, R>
): Effect.Effect<Outcome, never, R> =>
  Effect.flatMap(Effect.context<R>(), (context) => {
    const transaction = Effect.callback<Exit.Exit<Outcome, unknown>>((resume) => {
      const controller = new AbortController()
      const end = (exit: Exit.Exit<Outcome, unknown>) => {
        clearTimeout(timer)
        resume(Effect.succeed(exit))
      }
      const timer = setTimeout(() => {
        controller.abort()
        end(Exit.succeed({ _tag: "DatabaseAway", code: "CLIENT_TIMEOUT" }))
      }, handlerTimeoutMs + REPLY_MS)
      sql
        .begin(async (raw): Promise<Outcome> => {
          const limitMs = handlerTimeoutMs + 1_000
          const admission = await admit(raw, entry, { blockKeys, limitMs })
          if (admission === "duplicate") return { _tag: "Duplicate" }
          if (admission === "blocked") return { _tag: "Blocked" }
          const tx = guard(raw)
          const exit = await Effect.runPromiseExitWith(context)(
            Effect.suspend(() => handler(tx.sql)).pipe(
              Effect.timeoutOrElse({
                duration: handlerTimeoutMs,
                orElse: () => Effect.fail(new HandlerTimeout({ limitMs: handlerTimeoutMs }))
              })
            ),
            { signal: controller.signal }
          )
          tx.shut()
          if (Exit.isFailure(exit)) throw new Raised(Cause.squash(exit.cause))
          return { _tag: "Handled" }
        })
        .then(
          (outcome) => end(Exit.succeed(outcome as Outcome)),
          (thrown: unknown) => end(Exit.fail(thrown))
        )
      return Effect.sync(() => {
        clearTimeout(timer)
        controller.abort()
      })
    })
    return Effect.flatMap(transaction, (exit) =>
      Exit.isSuccess(exit) ? Effect.succeed(exit.value) : judge(sql, Cause.squash(exit.cause))
    )
  })
