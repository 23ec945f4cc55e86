import { Effect } from "effect"
import type postgres from "postgres"

/** A handler used its `sql` after its transaction had ended: it went on after a time-out, or did not wait for a query. */
export class TransactionOver extends Error {
  override readonly name = "TransactionOver"
}

/** No answer from the database in time. A dying server can make the driver forget a query for ever. */
export class ClientTimeout extends Error {
  override readonly name = "ClientTimeout"
  readonly code = "CLIENT_TIMEOUT"
}

/**
 * A transaction's `sql` that can be shut. postgres.js gives the connection back when a transaction ends, but keeps the
 * transaction's `sql` usable: a handler that runs on after its time-out would write into somebody else's transaction.
 */
const guard = (sql: postgres.TransactionSql) => {
  let isOpen = true
  const check = () => {
    if (!isOpen) throw new TransactionOver("the transaction of this handler is over")
  }
  const wrap = (target: object): postgres.TransactionSql =>
    new Proxy(target as postgres.TransactionSql, {
      apply: (run, _, args: ReadonlyArray<unknown>) => {
        check()
        return Reflect.apply(run as never, undefined, args)
      },
      get: (from, name) => {
        const value: unknown = Reflect.get(from, name)
        if (typeof value !== "function") return value
        return (...args: Array<unknown>) => {
          check()
          const inner = args.at(-1)
          if (name === "savepoint" && typeof inner === "function")
            args[args.length - 1] = (nested: postgres.TransactionSql) => inner(wrap(nested))
          return Reflect.apply(value, from, args)
        }
      }
    })
  return {
    sql: wrap(sql),
    shut: () => {
      isOpen = false
    }
  }
}

/** What work in a transaction gets: its `sql`, how to shut that, and a signal of its end from outside. */
export interface Work {
  readonly sql: postgres.TransactionSql
  readonly shut: () => void
  readonly signal: AbortSignal
}

const turnOfTheLoop = () => new Promise((resolve) => setImmediate(resolve))

/**
 * Work in one transaction of `sql`; fails with whatever was thrown, or with {@link ClientTimeout}. Interrupted, it is
 * rolled back.
 *
 * Where the connection is lost in the middle, postgres.js would send its ROLLBACK to a socket that is gone, outside of
 * any promise: a TypeError that ends the process. So the work is not seen to end before the loss of the connection
 * had its turn, and then never.
 */
export const inTransaction = <A>(
  sql: postgres.Sql,
  limitMs: number,
  work: (work: Work) => Promise<A>
): Effect.Effect<A, unknown> =>
  Effect.callback<A, unknown>((resume) => {
    const controller = new AbortController()
    let isLost = false
    let shut = () => {}
    const timer = setTimeout(() => {
      shut()
      controller.abort()
      resume(Effect.fail(new ClientTimeout()))
    }, limitMs)
    sql
      .begin(async (raw) => {
        const tx = guard(raw)
        shut = tx.shut
        try {
          return await work({ ...tx, signal: controller.signal })
        } finally {
          tx.shut()
          await turnOfTheLoop()
          if (isLost) await new Promise(() => {})
        }
      })
      .then(
        (value) => resume(Effect.succeed(value as A)),
        (thrown: unknown) => {
          isLost = true
          shut()
          controller.abort()
          resume(Effect.fail(thrown))
        }
      )
      .finally(() => clearTimeout(timer))
    return Effect.sync(() => {
      clearTimeout(timer)
      shut()
      controller.abort()
    })
  })
