import type postgres from "postgres"

/**
 * A transaction's `sql` that can be shut. postgres.js gives the connection back when a transaction ends, but keeps the
 * transaction's `sql` usable: a handler that runs on after its time-out would write into somebody else's transaction.
 */
export const guard = (sql: postgres.TransactionSql) => {
  let open = true
  const check = () => {
    if (!open) throw new TransactionOver("the transaction of this handler is over")
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
      open = false
    }
  }
}

/** A handler used its `sql` after its transaction had ended: it went on after a time-out, or did not wait for a query. */
export class TransactionOver extends Error {
  override readonly name = "TransactionOver"
}
