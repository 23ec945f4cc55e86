import assert from "node:assert"
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Exit, Redacted, Scope } from "effect"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"

/** A folder that goes with the scope. */
export const ownFolder = Effect.acquireRelease(
  Effect.sync(() => {
    const made = mkdtempSync(path.join(tmpdir(), "oncegate-own-"))
    chmodSync(made, 0o711) // as root, Postgres runs as another user and must be able to pass
    return made
  }),
  (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
)

/** A PostgreSQL of one test's own, which it may crash and start again. */
export const ownPostgres = Effect.fnUntraced(function* (
  folder: string,
  settings: Readonly<Record<string, string>> = {}
) {
  let scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Effect.suspend(() => Scope.close(scope, Exit.void)))
  const up = Effect.suspend(() => Scope.provide(EmbeddedPostgres.start({ folder, settings }), scope))
  const url = Redacted.value((yield* up).url)
  const postmaster = () =>
    Number(readFileSync(path.join(folder, "data", "postmaster.pid"), "utf8").split("\n")[0])
  const again = Effect.gen(function* () {
    yield* Scope.close(scope, Exit.void)
    scope = yield* Scope.make()
    assert.strictEqual(Redacted.value((yield* up).url), url)
  })
  return {
    url,
    /** Stops these of its processes and its listener, until the scope ends: what it was told is taken, and nothing answered. */
    freeze: (sessions: ReadonlyArray<number>) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const pids = [postmaster(), ...sessions]
          for (const pid of pids) process.kill(pid, "SIGSTOP")
          return pids
        }),
        (pids) =>
          Effect.sync(() => {
            for (const pid of pids) process.kill(pid, "SIGCONT")
          })
      ),
    log: () => readFileSync(path.join(folder, "postgres.log"), "latin1"),
    /** Ends it at once, as `pg_ctl -m immediate` does, and starts it again with recovery. */
    crash: Effect.gen(function* () {
      process.kill(postmaster(), "SIGQUIT")
      yield* again
    }),
    /** Stops it, if it still runs, and starts it again, as a person would. */
    again
  }
})
