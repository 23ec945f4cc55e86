import { randomBytes } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { migratedSchema } from "../support/Gate.ts"
import { delivery, openStore } from "../support/Store.ts"
import { runCommand } from "./runCommand.ts"

/** The key that the stores of tests seal with, as the environment names it. */
const TEST = `test:${Buffer.alloc(32, 7).toString("base64")}`
const secret = randomBytes(32).toString("base64")

/** A key of one byte over and over is refused as weak: bodies under the test key are given another id. */
const bodies = Effect.fnUntraced(function* (count: number) {
  const { sql, url } = yield* migratedSchema
  const store = yield* openStore(url)
  yield* Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) => store.claim(delivery(`ev_${index}`, `a body that nobody may see ${index}`)),
    { concurrency: "unbounded" }
  )
  return { sql, url }
})

describe("oncegate keys", () => {
  afterEach(() => vi.unstubAllEnvs())

  it.live("status counts bodies by key id, and shows no key", () =>
    Effect.gen(function* () {
      const { url } = yield* bodies(7)
      vi.stubEnv("DATABASE_URL", url)
      vi.stubEnv("MASTER_KEYS", `fresh:${secret}`)
      const { exitCode, out } = yield* runCommand("keys", "status")
      assert.strictEqual(exitCode, 0)
      assert.match(out, /^fresh +0 {2}seals$/m)
      assert.match(out, /^test +7 {2}missing$/m)
      assert.notInclude(out, secret.slice(0, 8))
      assert.deepStrictEqual(JSON.parse((yield* runCommand("keys", "status", "--json")).out), [
        { key_id: "fresh", bodies: 0, role: "seals" },
        { key_id: "test", bodies: 7, role: "missing" }
      ])
    }).pipe(Effect.scoped)
  )

  it.live("rotate says what waits for a missing key, and exits 1", () =>
    Effect.gen(function* () {
      const { url } = yield* bodies(3)
      vi.stubEnv("DATABASE_URL", url)
      vi.stubEnv("MASTER_KEYS", `fresh:${secret}`)
      const { error, exitCode, out } = yield* runCommand("keys", "rotate")
      assert.strictEqual(exitCode, 1)
      assert.include(out, "3 wait: their master key test is not in MASTER_KEYS")
      assert.include(error, "not every body")
    }).pipe(Effect.scoped)
  )

  it.live("rotate seals everything anew with the keys of `npm start`, and can be run again", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      const folder = mkdtempSync(path.join(tmpdir(), "oncegate-test-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      writeFileSync(path.join(folder, "dev.json"), JSON.stringify({ ingress: "x", database_url: url }))
      writeFileSync(path.join(folder, "keys.json"), JSON.stringify({ masterKeys: `dev:${secret}` }))
      vi.stubEnv("DATABASE_URL", "")
      vi.stubEnv("MASTER_KEYS", "")
      const { exitCode, out } = yield* runCommand("keys", "rotate", "--json", "--data-dir", folder)
      assert.strictEqual(exitCode, 0)
      assert.deepStrictEqual(JSON.parse(out), {
        key_id: "dev",
        seen: 0,
        rotated: 0,
        gone: 0,
        broken: 0,
        missing: {}
      })
    }).pipe(Effect.scoped)
  )

  it.live("refuses weak keys and no keys by name, never by value", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      vi.stubEnv("DATABASE_URL", url)
      vi.stubEnv("MASTER_KEYS", TEST)
      const weak = yield* runCommand("keys", "status")
      assert.include(weak.error, "MASTER_KEYS must be")
      assert.notInclude(weak.error, "BwcHBw")
      vi.stubEnv("MASTER_KEYS", "")
      assert.include((yield* runCommand("keys", "status")).error, "MASTER_KEYS is required")
    }).pipe(Effect.scoped)
  )
})
