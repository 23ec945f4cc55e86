import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { database } from "../../src/cli/Service.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { until } from "../support/Gate.ts"
import { ownFolder, ownPostgres } from "../support/OwnPostgres.ts"
import { environmentOf, startProviders } from "../support/Providers.ts"
import { resigned } from "../support/resigned.ts"
import { command, ended, serve } from "../support/ServeProcess.ts"
import { freshPrefix, kafkaBrokers } from "../support/Services.ts"
import { forms, scan } from "./scan.ts"

/** Something that stands nowhere else, for one kind of thing that must not come out. */
const sentinel = (kind: string) => `${kind.slice(0, 2)}Q7${kind}9SENTINEL/4111+${kind}Zx`

it("the scan finds a secret in every form, wherever it begins", () => {
  const secret = sentinel("body")
  const encoded = ["", "a", "ab", "abc"].map((before) =>
    Buffer.from(`${before}${secret}tail`).toString("base64")
  )
  for (const text of [...encoded, Buffer.from(secret).toString("hex"), encodeURIComponent(secret), secret])
    assert.isNotEmpty(scan({ there: `x ${text} y` }, { secret }), text)
  assert.isEmpty(scan({ there: "nothing of it" }, { secret }))
  assert.isTrue(forms(secret).every(({ text }) => text.length >= 8))
})

const secrets = {
  "body text": sentinel("text"),
  "body key": sentinel("name"),
  "header value": sentinel("header"),
  "card number": "4929117788336652",
  "admin token": sentinel("admintoken"),
  "master key": Buffer.from(sentinel("masterkeymasterkey").slice(0, 32)).toString("base64")
}

/** All that a database holds but the sealed bodies themselves, row by row. */
const dump = async (sql: postgres.Sql) => {
  const tables = await sql<Array<{ name: string }>>`
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public'`
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await sql.unsafe<Array<{ row: string }>>(
        `SELECT (to_jsonb(t) - 'sealed')::text AS row FROM "${name}" t`
      )
      return rows.map(({ row }) => `${name} ${row}`).join("\n")
    })
  )
  return texts.join("\n")
}

const readTopics = async (
  brokers: ReadonlyArray<string>,
  prefix: string,
  booked: () => Promise<{ readonly facts: number; readonly done: number }>
) => {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: `${prefix}leaks`, readUncommitted: true })
  const seen: Array<string> = []
  await consumer.connect()
  await consumer.subscribe({ topics: [new RegExp(`^${prefix.replaceAll(".", "\\.")}`)], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message, topic }) => {
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => `${name}=${value}`)
      seen.push([topic, message.key, message.value, ...headers].map(String).join(" "))
    }
  })
  const least = await booked()
  const of = (topic: string) => seen.filter((one) => one.startsWith(`${prefix}${topic} `)).length
  await Effect.runPromise(
    until(
      async () => of("billing.events.v1") >= least.facts && of("billing.webhook-outcomes.v1") >= least.done
    )
  )
  await consumer.disconnect()
  return seen.join("\n")
}

it.live(
  "nothing of bodies, headers, secrets and keys stands in anything that a run produces",
  () =>
    Effect.gen(function* () {
      const pg = yield* ownPostgres(yield* ownFolder)
      const brokers = yield* Effect.promise(kafkaBrokers)
      const prefix = freshPrefix()
      const providers = yield* startProviders
      yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(pg.url) })))
      const sql = postgres(pg.url, { max: 1, onnotice: () => {} })
      yield* Effect.addFinalizer(() => Effect.promise(() => sql.end({ timeout: 2 })))
      const environment = {
        ...environmentOf(providers, pg.url),
        KAFKA_BROKERS: brokers.join(","),
        KAFKA_TOPIC_PREFIX: prefix,
        MASTER_KEYS: `test:${secrets["master key"]}`,
        ADMIN_TOKEN: secrets["admin token"],
        LEASE_MS: "1000",
        BACKOFF_BASE_MS: "50",
        LOG_LEVEL: "trace",
        LOG_FORMAT: "json"
      }
      const answers: Array<string> = []
      let gate = yield* Effect.promise(() => serve(environment))
      const outputs = [gate.output]
      yield* Effect.addFinalizer(() => Effect.sync(() => gate.child.kill("SIGKILL")))
      const post = (
        route: string,
        headers: Readonly<Record<string, string>>,
        body: Buffer,
        method = "POST"
      ) =>
        Effect.promise(async () => {
          const response = await fetch(`${gate.url}/webhooks/${route}`, {
            method,
            headers,
            body: new Uint8Array(body)
          })
          answers.push([...response.headers].join("\n"), await response.text())
          return response.status
        })
      /** A capture with a sentinel in every field that is no id and no amount. */
      const capture = (id: string, more = "") =>
        Buffer.from(
          JSON.stringify({
            id,
            event_type: "PAYMENT.CAPTURE.COMPLETED",
            create_time: "2026-01-01T00:00:00Z",
            summary: secrets["body text"],
            [secrets["body key"]]: secrets["body text"],
            resource: {
              id: `C${id}${more}`,
              status: "COMPLETED",
              amount: { value: "10.00", currency_code: "EUR" },
              payer: { name: secrets["body text"], card: secrets["card number"] }
            }
          })
        )
      const signed = (body: Buffer) => ({ ...resigned(providers, body), "x-extra": secrets["header value"] })
      const send = (body: Buffer) => post("paypal", signed(body), body)

      // success, duplicate, conflict, bad signature, no JSON, unconfirmed, unknown, not allowed
      assert.strictEqual(yield* send(capture("WH-L1")), 200)
      assert.strictEqual(yield* send(capture("WH-L1")), 200)
      assert.strictEqual(yield* send(capture("WH-L1", "other")), 200)
      const forged = { ...signed(capture("WH-L2")), "paypal-transmission-sig": secrets["header value"] }
      assert.strictEqual(yield* post("paypal", forged, capture("WH-L2")), 401)
      assert.strictEqual(yield* send(Buffer.from(`{"${secrets["body key"]}": ${secrets["body text"]}`)), 200)
      const toss = Buffer.from(
        JSON.stringify({
          eventType: "PAYMENT_STATUS_CHANGED",
          createdAt: secrets["body text"],
          [secrets["body key"]]: secrets["body text"],
          data: {
            paymentKey: "pk_leak",
            lastTransactionKey: "t1",
            orderId: "o_leak",
            status: "DONE",
            card: secrets["card number"]
          }
        })
      )
      const plain = { "content-type": "application/json", "x-extra": secrets["header value"] }
      assert.strictEqual(yield* post("toss", plain, toss), 200)
      assert.strictEqual(yield* post("toss", plain, Buffer.from(`{"${secrets["body text"]}`)), 400)
      assert.strictEqual(yield* post("nowhere", plain, toss), 404)
      assert.strictEqual(yield* post("paypal", plain, toss, "PUT"), 405)

      // errors of the database, each with the row in its own words: check, unique, cast, not null, full, deadlock
      for (const raise of [
        "RAISE EXCEPTION 'refused %', NEW.sealed USING ERRCODE = '23514', DETAIL = 'Failing row contains ' || NEW::text",
        "RAISE EXCEPTION 'twice %', NEW.sealed USING ERRCODE = '23505', DETAIL = NEW::text",
        "PERFORM NEW.dedup_key::int",
        "NEW.key_id := NULL",
        "RAISE EXCEPTION 'full' USING ERRCODE = '53100'",
        "RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'"
      ]) {
        yield* Effect.promise(() =>
          sql.unsafe(`CREATE OR REPLACE FUNCTION leak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${raise}; RETURN NEW; END $$;
                      CREATE OR REPLACE TRIGGER leak BEFORE INSERT ON webhook_payloads FOR EACH ROW EXECUTE FUNCTION leak()`)
        )
        assert.strictEqual(yield* send(capture(`WH-E${raise.length}`)), 503)
      }
      yield* Effect.promise(() => sql`DROP TRIGGER leak ON webhook_payloads`)

      // a crash in the middle, a new start, people, an orderly end
      gate.child.kill("SIGKILL")
      yield* Effect.promise(() => ended(gate.child))
      gate = yield* Effect.promise(() => serve(environment))
      outputs.push(gate.output)
      assert.strictEqual(yield* send(capture("WH-L3")), 200)
      const text: Array<string> = []
      for (const args of [
        ["events", "list", "--json"],
        ["events", "show", "paypal", "ev_WH-L1"],
        ["status"],
        ["audit"],
        ["events", "redrive", "paypal", "ev_WH-L1", "--reason", "no"]
      ])
        text.push((yield* Effect.promise(() => command(args, environment))).output)
      assert.include(text.join("\n"), "ev_WH-L1")
      const started = gate
        .output()
        .split("\n")
        .find((line) => line.includes('"SERVICE_STARTED"'))!
      const { admin } = JSON.parse(started) as { admin: string }
      for (const [route, token] of [
        ["/metrics", secrets["admin token"]],
        ["/events", secrets["admin token"]],
        ["/events", "wrong"]
      ] as const) {
        const response = yield* Effect.promise(() =>
          fetch(`${admin}${route}`, { headers: { authorization: `Bearer ${token}` } })
        )
        text.push(yield* Effect.promise(() => response.text()))
      }
      assert.include(text.join("\n"), "oncegate_")
      const topics = yield* Effect.promise(() =>
        readTopics(brokers, prefix, async () => {
          const [row] = await sql<Array<{ facts: number; done: number }>>`
            SELECT count(*) FILTER (WHERE type = 'BillingEventRecorded')::int AS facts,
                   count(*) FILTER (WHERE type = 'Completed')::int AS done FROM webhook_event_log`
          return row!
        })
      )
      assert.include(topics, "billing.payment.captured.v1")
      gate.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => ended(gate.child)), 0)

      const places = {
        "standard output and error": outputs.map((output) => output()).join("\n"),
        "answers over HTTP": answers.join("\n"),
        "what people are shown": text.join("\n"),
        "the topics": topics,
        "the tables": yield* Effect.promise(() => dump(sql)),
        "Postgres's log": pg.log()
      }
      for (const [place, content] of Object.entries(places)) assert.isAbove(content.length, 200, place)
      const { password } = new URL(pg.url)
      const all = {
        ...secrets,
        "toss secret key": providers.simulator.tossSecretKey,
        "toss security key": String(providers.simulator.securityKeys[0]),
        "database password": password
      }
      assert.deepStrictEqual(scan(places, all), [])
      // the control: one line of each kind is found
      assert.isNotEmpty(scan({ ...places, control: `${capture("WH-L1")}` }, all))
    }).pipe(Effect.scoped),
  180_000
)
