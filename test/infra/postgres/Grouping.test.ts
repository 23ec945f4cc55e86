import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { DatabaseError } from "../../../src/infra/postgres/DatabaseError.ts"
import * as Grouping from "../../../src/infra/postgres/Grouping.ts"

it.effect(
  "a database that goes silent while a group is settled row by row is asked for one row and no other",
  () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const submit = yield* Grouping.make<number, number>({
        name: "claim",
        maxRows: 200,
        inFlight: 1,
        failsInSilence: true,
        exclusive: (item) => [String(item)],
        run: (items) => {
          asked.push(items.length)
          return Effect.fail(
            items.length > 1
              ? new DatabaseError({ statement: "claim", fate: "data", code: "22021" })
              : new DatabaseError({ statement: "claim", fate: "ambiguous", code: "CLIENT_TIMEOUT" })
          )
        }
      })
      const answers = yield* Effect.all(
        Array.from({ length: 50 }, (_, item) => Effect.flip(submit(item))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([...new Set(answers.map(({ code }) => code))], ["CLIENT_TIMEOUT"])
      assert.deepStrictEqual(asked.filter((rows) => rows === 1).length, 1)
    }).pipe(Effect.scoped)
)
