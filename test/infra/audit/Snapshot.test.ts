import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Snapshot from "../../../src/infra/audit/Snapshot.ts"
import { type Connection, Database } from "../../../src/infra/postgres/Database.ts"

describe("a cursor of the audit", () => {
  it.effect("rests after each page three times as long as it took", () =>
    Effect.gen(function* () {
      const begun: Array<number> = []
      const connection: Connection = {
        script: () => Effect.void,
        query: (_, text) =>
          Effect.gen(function* () {
            if (!text.startsWith("FETCH")) return []
            begun.push(yield* Clock.currentTimeMillis)
            yield* Effect.sleep(100)
            return Array.from({ length: begun.length < 3 ? 2_000 : 1 }, () => ({}) as never)
          })
      }
      const database = Database.of({
        claims: connection,
        awaited: connection,
        completions: connection,
        session: () => Effect.succeed(connection)
      })
      let rows = 0
      const reading = Effect.gen(function* () {
        const snapshot = yield* Snapshot.open("READ ONLY")
        yield* snapshot.each("rows", "SELECT", [], (page) =>
          Effect.sync(() => {
            rows += page.length
          })
        )
      }).pipe(Effect.scoped, Effect.provideService(Database, database))
      const fiber = yield* Effect.forkChild(reading)
      yield* TestClock.adjust(2_000)
      yield* Fiber.join(fiber)
      assert.strictEqual(rows, 4_001)
      assert.deepStrictEqual(begun, [0, 400, 800])
    })
  )
})
