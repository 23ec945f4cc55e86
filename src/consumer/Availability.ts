import { Effect, Latch } from "effect"
import type postgres from "postgres"

/** Whether the consumer's database serves. While it does not, handlers wait and nothing is fetched. */
export interface Availability {
  readonly isAway: () => boolean
  /** Goes on as soon as the database serves. */
  readonly wait: Effect.Effect<void>
  /** Something showed that it does not. Looks after it until it does. */
  readonly report: (code: string) => Effect.Effect<void>
  /** A transaction was committed. */
  readonly proven: () => void
}

const PROBE_MS = 2_000
const FIRST_MS = 100
const LAST_MS = 5_000

/** Whether the database takes writes. Never hangs. */
const isWritable = (sql: postgres.Sql) =>
  Effect.callback<boolean>((resume) => {
    const timer = setTimeout(() => resume(Effect.succeed(false)), PROBE_MS)
    sql<[{ writable: boolean }]>`SELECT current_setting('transaction_read_only') = 'off' AS writable`
      .then(
        ([row]) => resume(Effect.succeed(row.writable)),
        () => resume(Effect.succeed(false))
      )
      .finally(() => clearTimeout(timer))
    return Effect.sync(() => clearTimeout(timer))
  })

/** `onChange` is told the code of an outage, and null at its end. */
export const make = Effect.fnUntraced(function* (
  sql: postgres.Sql,
  onChange: (code: string | null) => Effect.Effect<void>
) {
  const scope = yield* Effect.scope
  const latch = yield* Latch.make(true)
  let away = false
  // Not set back by a probe: what a probe cannot see (a full disk, a missing right) must not make a hot loop.
  let pauseMs = FIRST_MS

  const look = Effect.gen(function* () {
    do {
      yield* Effect.sleep(pauseMs * (0.75 + Math.random() / 2))
      pauseMs = Math.min(pauseMs * 2, LAST_MS)
    } while (!(yield* isWritable(sql)))
    away = false
    yield* latch.open
    yield* onChange(null)
  })

  return {
    isAway: () => away,
    wait: latch.await,
    report: (code) =>
      Effect.suspend(() => {
        if (away) return Effect.void
        away = true
        latch.closeUnsafe()
        return Effect.andThen(onChange(code), Effect.forkIn(look, scope))
      }).pipe(Effect.asVoid, Effect.uninterruptible),
    proven: () => {
      pauseMs = FIRST_MS
    }
  } satisfies Availability
})
