import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { database } from "../../../src/cli/Service.ts"
import { replaced } from "../../../src/infra/kafka/Evidence.ts"
import { Database } from "../../../src/infra/postgres/Database.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { writeBulk } from "./LogWriter.ts"

const ending = (records: number) => ({ events: records, outcomes: records })
const BOTH = ["events", "outcomes"]

it.live(
  "a topic that ends before where it ended, or holds too few records of the newest part, is another one",
  () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* Effect.promise(() => writeBulk(sql, 50))
      yield* Effect.promise(
        () => sql`INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
                SELECT 'toss', 'f' || n, 1, 'Reclaimed', '{}' FROM generate_series(1, 1000) n`
      )
      const [now] = yield* Effect.promise(() => sql`SELECT pg_current_snapshot()::text AS snapshot`)
      const place = { from: now!.snapshot, to: now!.snapshot, position: -1 }
      const judged = (
        known: Omit<Parameters<typeof replaced>[2], "place">,
        records: number,
        lookedAt?: number
      ) =>
        Effect.flatMap(Database, ({ claims }) =>
          replaced(claims, ending(records), { place, ...known }, lookedAt)
        ).pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) })))

      // Where they ended is known: the log, of whatever length, has no say.
      assert.deepStrictEqual(yield* judged({ reached: ending(61) }, 60), BOTH)
      assert.deepStrictEqual(yield* judged({ reached: { events: 61, outcomes: 60 } }, 60), ["events"])
      assert.deepStrictEqual(yield* judged({ reached: ending(5) }, 5), [])
      // Only of the batch before: both are asked.
      assert.deepStrictEqual(yield* judged({ before: ending(6) }, 5, 1000), BOTH)
      assert.deepStrictEqual(yield* judged({ before: ending(5) }, 5), BOTH)
      // Not known: the log is asked, no further than it may be.
      assert.deepStrictEqual(yield* judged({}, 49), BOTH)
      assert.deepStrictEqual(yield* judged({}, 50), [])
      assert.deepStrictEqual(yield* judged({}, 5, 1000), [])
      assert.deepStrictEqual(yield* judged({}, 5, 1100), BOTH)
    }).pipe(Effect.scoped)
)
