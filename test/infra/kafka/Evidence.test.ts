import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { Admin } from "kafkajs"
import { database } from "../../../src/cli/Service.ts"
import { replaced } from "../../../src/infra/kafka/Evidence.ts"
import { namesOf } from "../../../src/infra/kafka/Topics.ts"
import { Database } from "../../../src/infra/postgres/Database.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { writeBulk } from "./LogWriter.ts"

/** Topics that hold so many records. */
const holding = (records: number) =>
  ({
    fetchTopicOffsets: async () => [
      { partition: 0, offset: String(records), high: String(records), low: "0" }
    ]
  }) as unknown as Admin

it.live(
  "a topic with fewer records than the newest part of the log published is another one, and no more is read",
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
      const names = namesOf("")
      const judged = (records: number, lookedAt?: number) =>
        Effect.flatMap(Database, ({ claims }) =>
          replaced(claims, holding(records), names, place, lookedAt)
        ).pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) })))
      assert.deepStrictEqual(yield* judged(49), [names.events, names.outcomes])
      assert.deepStrictEqual(yield* judged(50), [])
      assert.deepStrictEqual(yield* judged(5, 1000), [])
      assert.deepStrictEqual(yield* judged(5, 1100), [names.events, names.outcomes])
    }).pipe(Effect.scoped)
)
