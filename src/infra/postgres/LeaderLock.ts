import { randomUUID } from "node:crypto"
import { Effect, Schema } from "effect"
import type { Connection, Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"

/** Another session has the lock, or ours is gone with its connection: whatever is under way no longer counts. */
export class LeadershipLost extends Schema.TaggedError<LeadershipLost>()("LeadershipLost", {}) {}

/**
 * A pooler stands between us and Postgres and gives each statement another session: a session's lock would mean
 * nothing. The relay needs a direct connection, or a pooler in session mode.
 */
export class PoolerRefused extends Schema.TaggedError<PoolerRefused>()("PoolerRefused", {}) {}

/** The right to be the one relay, for as long as the session lives. */
export interface Leadership {
  readonly connection: Connection
  /** Known to this session alone: statements that only the leader may run compare it (`HELD`). */
  readonly token: string
  /** Fails as soon as the lock is known to be gone. */
  readonly lost: Effect.Effect<never, LeadershipLost>
}

/** Name of the setting that dies with the session, and so with the lock. */
const SETTING = "oncegate.leader"
/** A condition for statements: true in the leader's own session, false after a silent reconnection. */
export const held = (parameter: number) => `current_setting('${SETTING}', true) = $${parameter}::text`

const LOCK = (parameter: number) => `hashtextextended(current_schema() || '/' || $${parameter}::text, 0)`

const backend = (connection: Connection, seconds = 0) =>
  Effect.map(
    connection.query<{ pid: number }>(
      "leader.backend",
      "SELECT pg_backend_pid() AS pid, pg_sleep($1::float8)",
      [seconds]
    ),
    ([row]) => row!.pid
  )

/**
 * Two sessions at work at the same moment have two backends that stay theirs. Behind a transaction-pooling PgBouncer
 * the second one is given the backend that the first one just used.
 */
const refusePooler = Effect.fnUntraced(function* (first: Connection, second: Connection) {
  const mine = yield* backend(first)
  const other = yield* backend(second)
  const [otherAgain, mineAgain] = yield* Effect.all(
    [backend(second, 0.03), Effect.delay(backend(first), 10)],
    { concurrency: 2 }
  )
  if (mine === other || mine !== mineAgain || other !== otherAgain) return yield* new PoolerRefused()
})

/** The race for the lock: `pg_try_advisory_lock` decides it; the token is set by the winner's own statement. */
const attempt = (connection: Connection, name: string, token: string) =>
  Effect.map(
    connection.query<{ taken: boolean }>(
      "leader.attempt",
      `SELECT taken, CASE WHEN taken THEN set_config('${SETTING}', $2::text, false) END
         FROM (SELECT pg_try_advisory_lock(${LOCK(1)}) AS taken OFFSET 0) attempt`,
      [name, token]
    ),
    ([row]) => row?.taken === true
  )

/** True while this very backend holds the lock under this token. */
const isHeld = (connection: Connection, name: string, token: string) =>
  Effect.map(
    connection.query<{ held: boolean }>(
      "leader.check",
      `SELECT ${held(2)} AND EXISTS (
                SELECT FROM pg_locks
                 WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() AND objsubid = 1
                   AND (classid::bigint << 32 | objid::bigint) = ${LOCK(1)}) AS held`,
      [name, token]
    ),
    ([row]) => row?.held === true
  )

export interface LeaderOptions {
  /** One leader for each schema and name. */
  readonly name: string
  /** How often a standby asks, and how often the leader looks after its lock. Milliseconds. */
  readonly pollMs: number
  readonly onStandby: Effect.Effect<void>
}

/** Waits until this session is the leader. The lock goes with the scope. */
export const acquire = Effect.fnUntraced(function* (database: Database["Service"], options: LeaderOptions) {
  const connection = yield* database.session("relay")
  yield* Effect.scoped(
    Effect.flatMap(database.session("relay check"), (second) => refusePooler(connection, second))
  )
  const token = randomUUID()
  while (!(yield* attempt(connection, options.name, token))) {
    yield* options.onStandby
    yield* Effect.sleep(options.pollMs)
  }
  if (!(yield* isHeld(connection, options.name, token))) return yield* new PoolerRefused()
  const lost: Effect.Effect<never, LeadershipLost> = isHeld(connection, options.name, token).pipe(
    Effect.delay(options.pollMs),
    Effect.catch((_: DatabaseError) => Effect.succeed(false)),
    Effect.flatMap((still) => (still ? Effect.void : Effect.fail(new LeadershipLost()))),
    Effect.forever
  )
  return { connection, token, lost } satisfies Leadership
})
