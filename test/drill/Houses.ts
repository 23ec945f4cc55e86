import { spawnSync } from "node:child_process"
import { chmodSync, cpSync, rmSync, statSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect, Exit, Redacted, Scope } from "effect"
import postgres from "postgres"
import * as EmbeddedKafka from "../../src/infra/embedded/EmbeddedKafka.ts"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"

/** A server that can be stopped and started in the middle of a test, on its data and port. */
const makeServer = Effect.fnUntraced(function* <A, E>(start: Effect.Effect<A, E, Scope.Scope>) {
  let scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Effect.suspend(() => Scope.close(scope, Exit.void)))
  const up = Effect.suspend(() => Scope.provide(start, scope)).pipe(Effect.orDie)
  const down = Effect.gen(function* () {
    yield* Scope.close(scope, Exit.void)
    scope = yield* Scope.make()
  })
  return { up, down }
})

const copyTree = (from: string, to: string) =>
  Effect.sync(() => {
    rmSync(to, { recursive: true, force: true })
    cpSync(from, to, { recursive: true, preserveTimestamps: true })
  })

/** A Postgres with backups as `pg_basebackup` makes them: while it works, by the server's own backup functions. */
export const postgresIn = Effect.fnUntraced(function* (folder: string, copies: string) {
  const server = yield* makeServer(EmbeddedPostgres.start({ folder }))
  const { url } = yield* server.up
  const data = path.join(folder, "data")
  const kept = path.join(copies, "postgres")
  const backUp = Effect.promise(async () => {
    const sql = postgres(Redacted.value(url), { max: 1, onnotice: () => {} })
    try {
      await sql`SELECT pg_backup_start('drill', fast => true)`
      rmSync(kept, { recursive: true, force: true })
      cpSync(data, kept, { recursive: true, preserveTimestamps: true })
      const [stopped] = await sql`SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)`
      // What was written while the copy was made stands in the log of the server: it must come along.
      cpSync(path.join(data, "pg_wal"), path.join(kept, "pg_wal"), { recursive: true })
      writeFileSync(path.join(kept, "backup_label"), stopped!.labelfile)
      rmSync(path.join(kept, "postmaster.pid"), { force: true })
    } finally {
      await sql.end({ timeout: 2 })
    }
  })
  const restore = Effect.gen(function* () {
    yield* server.down
    const { gid, uid } = statSync(data)
    yield* copyTree(kept, data)
    // As root the server runs as another user, to whom all of it must belong.
    yield* Effect.sync(() => chmodSync(data, 0o700))
    yield* Effect.sync(() => void spawnSync("chown", ["-R", `${uid}:${gid}`, data]))
    yield* server.up
  })
  return { url: Redacted.value(url), backUp, restore }
})

/** A broker whose folder is copied while it stands still, as a snapshot of its volume would be. */
export const kafkaIn = Effect.fnUntraced(function* (folder: string, copies: string) {
  const server = yield* makeServer(EmbeddedKafka.start({ folder, ways: ["jars"] }))
  const { brokers } = yield* server.up
  const data = path.join(folder, "data")
  const kept = path.join(copies, "kafka")
  const backUp = Effect.gen(function* () {
    yield* server.down
    yield* copyTree(data, kept)
    yield* server.up
  })
  const restore = Effect.gen(function* () {
    yield* server.down
    yield* copyTree(kept, data)
    yield* server.up
  })
  return { brokers, backUp, restore }
})
