import { readFileSync, statSync } from "node:fs"
import path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import postgres from "postgres"
import { EmbeddedFailed } from "../../../src/infra/embedded/EmbeddedFailed.ts"
import { start } from "../../../src/infra/embedded/EmbeddedPostgres.ts"
import { startOf } from "../../../src/infra/embedded/LocalProcess.ts"
import { until } from "../../support/Gate.ts"
import { dataFolder, leftBehind, ownerKilled } from "./Fixture.ts"

const query = (url: string, text: string) =>
  Effect.promise(async () => {
    const sql = postgres(url, { max: 1 })
    try {
      return (await sql.unsafe(text)).map((row): Record<string, unknown> => ({ ...row }))
    } finally {
      await sql.end({ timeout: 1 })
    }
  })

const postmaster = (folder: string) =>
  Number(readFileSync(path.join(folder, "data", "postmaster.pid"), "utf8").split("\n")[0])

describe("EmbeddedPostgres", () => {
  it.live("finds its data, port and password at the second start, and stops when its scope closes", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const { url } = yield* start({ folder })
          yield* query(Redacted.value(url), "CREATE TABLE kept AS SELECT 42 AS answer")
          return { url, pid: postmaster(folder) }
        })
      )
      assert.isUndefined(startOf(first.pid))

      const { url } = yield* start({ folder })
      assert.deepEqual(yield* query(Redacted.value(url), "SELECT answer FROM kept"), [{ answer: 42 }])
      assert.strictEqual(Redacted.value(url), Redacted.value(first.url))
      assert.strictEqual(statSync(path.join(folder, "password")).mode & 0o777, 0o600)
    })
  )

  it.live("is durable and keeps values out of its log", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const url = Redacted.value((yield* start({ folder })).url)
      const settings = yield* query(
        url,
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes') ORDER BY name"
      )
      assert.deepEqual(
        settings.map(({ setting }) => setting),
        ["on", "on", "on"]
      )
      yield* Effect.exit(query(url, "SELECT 'sentinel-value'::int"))
      assert.notInclude(readFileSync(path.join(folder, "postgres.log"), "utf8"), "sentinel-value'::int")
    })
  )

  it.live("stops in an orderly way when its owner was killed", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      yield* ownerKilled("postgres", folder)
      const log = () => readFileSync(path.join(folder, "postgres.log"), "utf8")
      yield* until(async () => log().includes("database system is shut down"))
    })
  )

  it.live("starts after its owner was killed and left the server running", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const before = yield* leftBehind("postgres", folder)
      const orphan = postmaster(folder)
      assert.isDefined(startOf(orphan))

      const { url } = yield* start({ folder })
      assert.isUndefined(startOf(orphan))
      assert.strictEqual(Redacted.value(url), before)
      assert.deepEqual(yield* query(before, "SELECT 1 AS one"), [{ one: 1 }])
    })
  )

  it.live("starts after owner and server were both killed", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const url = yield* leftBehind("postgres", folder)
      yield* query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
      process.kill(postmaster(folder), "SIGKILL")

      yield* start({ folder })
      assert.deepEqual(yield* query(url, "SELECT answer FROM kept"), [{ answer: 42 }])
    })
  )

  it.live("leaves the server of a living owner alone", () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const { url } = yield* start({ folder })
      const error = yield* Effect.flip(Effect.scoped(start({ folder })))
      assert.instanceOf(error, EmbeddedFailed)
      assert.include(error.message, "is in use by")
      assert.deepEqual(yield* query(Redacted.value(url), "SELECT 1 AS one"), [{ one: 1 }])
    })
  )

  it.live("takes another port when its own is taken", () =>
    Effect.gen(function* () {
      const other = yield* dataFolder
      const folder = yield* dataFolder
      const first = new URL(Redacted.value((yield* Effect.scoped(start({ folder }))).url))
      yield* Effect.promise(async () =>
        (await import("node:fs/promises")).writeFile(`${other}/port`, first.port)
      )
      const holder = yield* start({ folder: other })
      assert.strictEqual(new URL(Redacted.value(holder.url)).port, first.port)

      const second = new URL(Redacted.value((yield* start({ folder })).url))
      assert.notStrictEqual(second.port, first.port)
    })
  )

  it.live.each(["/proc/oncegate", "/dev/null/oncegate"])(
    "says in one line that %s cannot be written",
    (folder) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(start({ folder })))
        assert.match(
          error.message,
          new RegExp(`^the data folder ${folder} cannot be written .*ONCEGATE_DATA_DIR.*$`)
        )
      })
  )
})
