import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { Effect, Schema } from "effect"
import { type Connection, Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"

/** An applied migration is not the file that stands here now, or the database is ahead of this version. */
export class MigrationsRefused extends Schema.TaggedError<MigrationsRefused>()("MigrationsRefused", {
  message: Schema.String
}) {}

interface Migration {
  readonly name: string
  readonly sha256: string
  readonly sql: string
}

export interface MigrationStatus {
  readonly name: string
  readonly state: "applied" | "pending"
}

const FOLDER = new URL("../../../migrations/", import.meta.url)

const files = Effect.promise(async (): Promise<ReadonlyArray<Migration>> => {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith(".sql")).sort()
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, FOLDER), "utf8")
      return { name, sql, sha256: createHash("sha256").update(sql).digest("hex") }
    })
  )
})

const TABLE = `
CREATE TABLE IF NOT EXISTS schema_migrations (
  name       TEXT        PRIMARY KEY,
  sha256     TEXT        NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)`

/** What stands in the database against what stands in the files. */
const compare = Effect.fnUntraced(function* (connection: Connection) {
  const known = yield* files
  const [table] = yield* connection.query<{ present: boolean }>(
    "migrations present",
    "SELECT to_regclass('schema_migrations') IS NOT NULL AS present"
  )
  const applied = table?.present
    ? yield* connection.query<{ name: string; sha256: string }>(
        "migrations applied",
        "SELECT name, sha256 FROM schema_migrations ORDER BY name"
      )
    : []
  for (const { name, sha256 } of applied) {
    const file = known.find((migration) => migration.name === name)
    if (file === undefined)
      return yield* new MigrationsRefused({
        message: `The database has migration ${name}, which this version does not know: start a newer version.`
      })
    if (file.sha256 !== sha256)
      return yield* new MigrationsRefused({
        message: `Migration ${name} was changed after it was applied: restore the file, and put the change into a new one.`
      })
  }
  const done = new Set(applied.map(({ name }) => name))
  return { known, pending: known.filter(({ name }) => !done.has(name)) }
})

/** Every migration and whether it is applied; changes nothing. */
export const status = Effect.gen(function* () {
  const database = yield* Database
  const { known, pending } = yield* compare(database.claims)
  return known.map(
    ({ name }): MigrationStatus => ({
      name,
      state: pending.some((migration) => migration.name === name) ? "pending" : "applied"
    })
  )
})

/** Applies what is pending, each file in a transaction with its record. Two starts at once: the lock lets one work. */
export const migrate: Effect.Effect<
  ReadonlyArray<string>,
  MigrationsRefused | DatabaseError,
  Database
> = Effect.scoped(
  Effect.gen(function* () {
    const database = yield* Database
    const connection = yield* database.session("migrate", 2 ** 31 - 1)
    yield* connection.script(
      "migrations lock",
      `SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
       SELECT pg_advisory_lock(hashtextextended('oncegate migrations ' || current_schema(), 0))`
    )
    yield* connection.script("migrations table", TABLE)
    const { pending } = yield* compare(connection)
    for (const { name, sha256, sql } of pending)
      yield* connection.script(
        `migration ${name}`,
        `BEGIN;\n${sql}\n;INSERT INTO schema_migrations (name, sha256) VALUES ('${name}', '${sha256}');\nCOMMIT`
      )
    return pending.map(({ name }) => name)
  })
)
