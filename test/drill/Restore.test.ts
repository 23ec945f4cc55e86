import { randomBytes } from "node:crypto"
import path from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { consume } from "../infra/kafka/Consumed.ts"
import { environmentOf, post, startProviders } from "../support/Gate.ts"
import { command, ended, serve } from "../support/ServeProcess.ts"
import { kafkaIn, postgresIn } from "./Houses.ts"

// The drill of docs/operations.md, for real: `npm run drill`. Own servers, own folders, the command line as people run it.

const say = (text: string) => Effect.sync(() => console.log(`drill: ${text}`))

it.live.runIf(process.env.ONCEGATE_DRILL === "1")(
  "back up Postgres and Kafka, go on, restore one, the other, both; rebase; nothing lost, nothing doubled",
  () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const copies = yield* dataFolder
      const database = yield* postgresIn(path.join(folder, "postgres"), copies)
      const kafka = yield* kafkaIn(path.join(folder, "kafka"), copies)
      const providers = yield* startProviders
      const environment = {
        ...environmentOf(providers, database.url),
        KAFKA_BROKERS: kafka.brokers.join(","),
        LOG_LEVEL: "info",
        LOG_FORMAT: "json",
        PORT: "0"
      }
      const oncegate = (...args: ReadonlyArray<string>) =>
        Effect.promise(() => command(args, environment)).pipe(
          Effect.tap(({ code, output }) =>
            say(`$ oncegate ${args.join(" ")}\n${output.trim()}\n(exit ${code})`)
          )
        )
      assert.strictEqual((yield* oncegate("migrate")).code, 0)

      /** Runs with the service up, then takes it down. */
      const withService = <A, E>(work: (url: string, output: () => string) => Effect.Effect<A, E>) =>
        Effect.acquireUseRelease(
          Effect.promise(() => serve(environment)),
          (service) => work(`${service.url}/webhooks/paypal`, service.output),
          ({ child }) =>
            Effect.promise(() => {
              child.kill("SIGTERM")
              return ended(child)
            })
        )
      const sent: Array<ReturnType<typeof providers.capture>> = []
      const deliver = Effect.fnUntraced(function* (
        url: string,
        events: ReadonlyArray<(typeof sent)[number]>
      ) {
        for (const { body, copies } of events)
          assert.strictEqual((yield* post(url, copies[0]!, body)).status, 200)
      })
      const bill = (url: string, count: number) =>
        Effect.gen(function* () {
          const events = Array.from({ length: count }, () => providers.capture(2))
          sent.push(...events)
          yield* deliver(url, events)
        })
      const published = Effect.promise(async () => {
        const sql = postgres(database.url, { max: 1, onnotice: () => {} })
        try {
          for (;;) {
            const [row] = await sql`
              SELECT c.confirmed_at IS NULL AS open, (
                SELECT count(*)::int FROM webhook_event_log l
                 WHERE NOT (pg_visible_in_snapshot(l.xid, c.from_snapshot::pg_snapshot)
                            OR (l.position <= c.position AND pg_visible_in_snapshot(l.xid, c.to_snapshot::pg_snapshot)))
                   AND l.type IN ('BillingEventRecorded', 'Completed', 'DuplicateSeen')) AS waiting
                FROM relay_checkpoint c ORDER BY batch DESC LIMIT 1`
            if (row?.open === false && row.waiting === 0) return
            await new Promise((next) => setTimeout(next, 100))
          }
        } finally {
          await sql.end({ timeout: 2 })
        }
      })
      const refused = (output: () => string) =>
        Effect.promise(async () => {
          for (;;) {
            const found = /"(postgres_behind|kafka_behind|histories_differ|records_gone|offset_gone): /.exec(
              output()
            )
            if (found !== null) return found[1]
            await new Promise((next) => setTimeout(next, 100))
          }
        })
      /** Effect keys in the topic, and how often the most frequent stands there. */
      const billed = Effect.promise(async () => {
        const client = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING })
        const records = await consume(
          client,
          `drill-${randomBytes(4).toString("hex")}-`,
          ["billing.events.v1"],
          1
        )
        return records.map(({ data }) => String(data.effect_key)).sort()
      })
      const expected = () => sent.flatMap(({ facts }) => facts.map(({ effect_key }) => effect_key)).sort()

      /** Mends, has the providers send everything again, and looks for what is lost or doubled. */
      const mend = Effect.fnUntraced(function* (refusal: string) {
        yield* withService((url, output) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* refused(output), refusal)
            yield* bill(url, 5) // the gate goes on
          })
        )
        assert.strictEqual((yield* oncegate("relay", "rebase")).code, 0)
        const done = yield* oncegate(
          "relay",
          "rebase",
          "--yes",
          "--by",
          "drill",
          "--reason",
          `drill: ${refusal}`
        )
        assert.strictEqual(done.code, 0)
        yield* withService((url) =>
          Effect.gen(function* () {
            yield* deliver(url, sent)
            yield* bill(url, 5)
            yield* published
          })
        )
        assert.deepStrictEqual(yield* billed, expected())
        const audit = yield* oncegate("audit")
        assert.match(audit.output, /facts and \d+ outcomes compared with the topics[\s\S]*Audit: clean/)
      })

      yield* say("before the backup")
      yield* withService((url) => Effect.andThen(bill(url, 20), published))
      yield* kafka.backUp
      yield* withService((url) => Effect.andThen(bill(url, 10), published))
      yield* database.backUp
      yield* withService((url) => Effect.andThen(bill(url, 20), published))

      yield* say("Kafka alone is restored")
      yield* kafka.restore
      yield* mend("kafka_behind")

      yield* say("Postgres alone is restored")
      yield* database.restore
      yield* mend("postgres_behind")

      yield* say("both are restored, Kafka's copy is the older one")
      yield* kafka.restore
      yield* database.restore
      yield* mend("kafka_behind")
      assert.strictEqual((yield* oncegate("relay", "rebase")).output.includes("nothing to mend"), true)
    }).pipe(Effect.scoped),
  900_000
)
