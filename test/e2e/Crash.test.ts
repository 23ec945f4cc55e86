import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { environmentOf, migratedSchema, startProviders, until } from "../support/Gate.ts"
import { ended, serve } from "../support/ServeProcess.ts"
import { freshPrefix, kafkaBrokers } from "../support/Services.ts"
import { simulate } from "./play.ts"
import { follow, foretold, sorted } from "./topics.ts"

it.live(
  "kill -9 of the service in the middle of a run: nothing lost that was answered 200, nothing doubled",
  () =>
    Effect.gen(function* () {
      const brokers = yield* Effect.promise(kafkaBrokers)
      const prefix = freshPrefix()
      const providers = yield* startProviders
      const { sql, url: databaseUrl } = yield* migratedSchema
      const environment = {
        ...environmentOf(providers, databaseUrl),
        KAFKA_BROKERS: brokers.join(","),
        KAFKA_TOPIC_PREFIX: prefix,
        LEASE_MS: "1500",
        LOG_LEVEL: "info",
        LOG_FORMAT: "json"
      }
      let service = yield* Effect.promise(() => serve(environment))
      yield* Effect.addFinalizer(() => Effect.sync(() => service.child.kill("SIGKILL")))

      let received = 0
      let kills = 0
      let restarting: Promise<void> | undefined
      const { expected, told } = yield* simulate(providers, sql, () => service.url, {
        events: 200,
        copies: 3,
        onReceived: () => {
          received += 1
          if (received < 60 * (kills + 1) || kills >= 3 || restarting !== undefined) return
          kills += 1
          service.child.kill("SIGKILL")
          restarting = ended(service.child)
            .then(() => serve({ ...environment, PORT: new URL(service.url).port }))
            .then((next) => {
              service = next
              restarting = undefined
            })
        }
      })
      yield* Effect.promise(() => restarting ?? Promise.resolve())
      assert.strictEqual(kills, 3)
      const acked = told.filter(({ received }) => received.some(({ httpStatus }) => httpStatus === 200))
      assert.isAbove(acked.length, 20)

      yield* until(async () => {
        const [left] =
          await sql`SELECT count(*)::int AS open FROM webhook_dedup_events WHERE status <> 'done'`
        return left?.open === 0
      })
      const [booked] = yield* Effect.promise(
        () => sql<Array<{ count: number }>>`SELECT count(*)::int AS count FROM billing_effects`
      )
      const facts = yield* follow(brokers, `${prefix}billing.events.v1`)
      yield* until(async () => facts.length >= booked!.count)

      const got = sorted(facts.map(foretold))
      const may = new Set(sorted(expected.unanswered.facts))
      assert.strictEqual(
        new Set(facts.map(({ headers }) => headers.ce_id)).size,
        facts.length,
        "no fact twice"
      )
      assert.deepStrictEqual(
        got.filter((fact) => !may.has(fact)),
        sorted(expected.facts).filter((fact) => !may.has(fact))
      )

      const stopped = ended(service.child)
      // Not child.kill: Deno then reports the signal for the exit, whatever the process made of it.
      process.kill(service.child.pid!, "SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => stopped), 0)
    }).pipe(Effect.scoped),
  150_000
)
