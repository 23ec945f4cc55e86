import { writeFileSync } from "node:fs"
import path from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { database } from "../../src/cli/Service.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { post, startGate, startProviders, until } from "../support/Gate.ts"
import * as SecureKafka from "../support/SecureKafka.ts"
import * as SecurePostgres from "../support/SecurePostgres.ts"
import { command } from "../support/ServeProcess.ts"
import { makeTestCa } from "../support/TestCa.ts"

// Servers of their own, with certificates made here. `npm run secure` adds what takes longer: every way to be wrong.
const all = process.env.ONCEGATE_SECURE === "all"
const PASSWORD = "a-broker-password"
const dates = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) }

it.live(
  "a webhook's whole way over TLS: Postgres verified in full, Kafka with a password",
  () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const ca = makeTestCa()
      const certificate = ca.issue({ name: "localhost", ...dates })
      const file = (name: string, text: string) => {
        const at = path.join(folder, name)
        writeFileSync(at, text)
        return at
      }
      const caFile = file("ca.pem", ca.pem)
      const stranger = file("stranger.pem", makeTestCa("Another CA").pem)
      const [secured, broker] = yield* Effect.all(
        [
          SecurePostgres.start({ folder: path.join(folder, "postgres"), certificate }),
          SecureKafka.start({
            folder: path.join(folder, "kafka"),
            certificate,
            ca: ca.pem,
            password: PASSWORD
          })
        ],
        { concurrency: 2 }
      )
      const urlOf = (parameters: string, host = "localhost") => {
        const url = new URL(secured.url)
        url.hostname = host
        return `${url.href}${parameters}`
      }
      const verified = urlOf(`?sslmode=verify-full&sslrootcert=${encodeURIComponent(caFile)}`)
      const kafka = {
        KAFKA_BROKERS: broker.broker,
        KAFKA_TLS: "yes",
        KAFKA_CA_FILE: caFile,
        KAFKA_SASL_MECHANISM: "scram-sha-512",
        KAFKA_SASL_USERNAME: SecureKafka.USER,
        KAFKA_SASL_PASSWORD: PASSWORD
      }

      yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(verified) })))
      const providers = yield* startProviders
      const gate = yield* startGate(providers, {
        roles: ["ingress", "relay"],
        databaseUrl: verified,
        environment: { ...kafka, LOG_LEVEL: "info" }
      })
      const { body, copies } = providers.capture()
      const answer = yield* post(`${gate.url}/webhooks/paypal`, copies[0]!, body)
      assert.deepStrictEqual(answer.body, { status: "processed" })

      const oncegate = (args: ReadonlyArray<string>, changes: Readonly<Record<string, string>> = {}) =>
        Effect.map(
          Effect.promise(() => command(args, { DATABASE_URL: verified, ...kafka, ...changes })),
          ({ code, output }) => {
            for (const secret of [PASSWORD, new URL(secured.url).password, "wrong-password"])
              assert.notInclude(output, secret)
            return { code, output }
          }
        )
      const status = (changes: Readonly<Record<string, string>> = {}) =>
        Effect.map(oncegate(["relay", "status", "--json"], changes), ({ output }) => JSON.parse(output))
      yield* until(async () => {
        const found = await Effect.runPromise(status())
        return (
          found.backlog.rows === 0 &&
          found.kafka.checkpoint?.batch > 0 &&
          found.active === 1 &&
          found.verdict?.agrees === true
        )
      })
      if (!all) return

      // The other mechanism; and with the topics read.
      const audit = yield* oncegate(["audit"], { KAFKA_SASL_MECHANISM: "plain" })
      assert.match(audit.output, /1 facts and 1 outcomes compared with the topics[\s\S]*Audit: clean/)
      const replay = ["replay", "--topic-prefix", "again.", "--json"]
      assert.include((yield* oncegate(replay, { KAFKA_SASL_MECHANISM: "plain" })).output, '"outcome":"done"')

      const saying = (wrong: Readonly<Record<string, string>>, ...args: ReadonlyArray<string>) =>
        Effect.map(
          oncegate(args.length === 0 ? ["replay", "--topic-prefix", "no."] : args, wrong),
          (said) => {
            assert.strictEqual(said.code, 1, said.output)
            const lines = said.output.replace("oncegate: configuration refused:\n", "").trim().split("\n")
            assert.strictEqual(lines.length, 1, said.output)
            return said.output
          }
        )
      const wrongPassword = "KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is wrong"
      for (const KAFKA_SASL_MECHANISM of ["plain", "scram-sha-512"])
        assert.include(
          yield* saying({ KAFKA_SASL_MECHANISM, KAFKA_SASL_PASSWORD: "wrong-password" }),
          wrongPassword
        )
      assert.include(yield* saying({ KAFKA_CA_FILE: stranger }), "TLS_UNKNOWN_AUTHORITY")
      assert.include(yield* saying({ KAFKA_CA_FILE: "" }), "TLS_UNKNOWN_AUTHORITY")
      assert.include(yield* saying({ KAFKA_BROKERS: `127.0.0.1:${broker.port}` }), "TLS_WRONG_HOST")
      assert.include(yield* saying({ KAFKA_CA_FILE: "/nowhere.pem" }), "KAFKA_CA_FILE names a file")
      assert.include(
        yield* saying({ KAFKA_TLS: "no", KAFKA_CA_FILE: "", KAFKA_SASL_MECHANISM: "plain" }),
        "in clear"
      )

      const full = "?sslmode=verify-full"
      const trusting = (file: string) => `${full}&sslrootcert=${encodeURIComponent(file)}`
      const migrate = (url: string) => saying({ DATABASE_URL: url }, "migrate")
      assert.include(yield* migrate(urlOf(full)), "TLS_UNKNOWN_AUTHORITY")
      assert.include(yield* migrate(urlOf(trusting(stranger))), "TLS_UNKNOWN_AUTHORITY")
      // By its address it is another host, though the driver would have taken it for localhost.
      assert.include(yield* migrate(urlOf(trusting(caFile), "127.0.0.1")), "TLS_WRONG_HOST")
      assert.include(yield* migrate(urlOf(trusting("/nowhere.pem"))), "sslrootcert is a file")
      assert.include(yield* migrate(urlOf("?sslmode=prefer")), "sslmode is disable, require, verify-full")
      assert.include(yield* migrate(urlOf("")), "refused the user or password")
      const wrong = new URL(verified)
      wrong.password = "wrong-password"
      assert.include(yield* migrate(wrong.href), "refused the user or password")
      assert.strictEqual((yield* oncegate(["migrate"], { DATABASE_URL: urlOf("?sslmode=require") })).code, 0)

      // The service goes on without Kafka, and says what is wrong once.
      const refused = yield* startGate(providers, {
        roles: ["relay"],
        databaseUrl: verified,
        environment: {
          ...kafka,
          KAFKA_SASL_PASSWORD: "wrong-password",
          KAFKA_TOPIC_PREFIX: "other.",
          LOG_LEVEL: "info"
        }
      })
      yield* until(async () =>
        refused.logs.some((line) => line.includes("ALARM") && line.includes(wrongPassword))
      )
      assert.notInclude(refused.logs.join(""), "wrong-password")
    }).pipe(Effect.scoped),
  all ? 300_000 : 120_000
)
