import path from "node:path"
import { Console, Effect, Redacted, Result } from "effect"
import { Command } from "effect/cli"
import { read } from "../infra/config/Settings.ts"
import * as KeptKafka from "../infra/embedded/KeptKafka.ts"
import * as KeptPostgres from "../infra/embedded/KeptPostgres.ts"
import { pseudonymKey } from "../infra/postgres/Endpoints.ts"
import * as Migrations from "../infra/postgres/Migrations.ts"
import { gateEnvironment } from "../infra/simulator/gateEnvironment.ts"
import * as SimulatorServer from "../infra/simulator/SimulatorServer.ts"
import * as Logs from "../infra/telemetry/Logs.ts"
import * as DevFolder from "./DevFolder.ts"
import { database, type Role, roles, start, unreachable } from "./Service.ts"

/** Given by the environment, or started here: a Kafka is worth having, but the gate works without one. */
const kafka = Effect.fnUntraced(function* (folder: string, given: string | undefined) {
  if (given !== undefined) return { brokers: given.split(","), how: "given by KAFKA_BROKERS" }
  const started = yield* Effect.result(KeptKafka.start({ folder: path.join(folder, "kafka") }))
  if (Result.isSuccess(started))
    return {
      brokers: started.success.brokers,
      how: started.success.how === "docker" ? "Docker" : "jars, by Maven and Java"
    }
  yield* Console.log(`  Kafka       none: ${started.failure.message}.`)
  yield* Console.log("              The gate works on; what happened waits in the log for a broker.")
  return { brokers: [], how: "none" }
})

const postgres = (folder: string, given: string | undefined) =>
  given === undefined
    ? Effect.map(KeptPostgres.start({ folder: path.join(folder, "postgres") }), ({ tended, url }) => ({
        url: Redacted.value(url),
        how: "embedded",
        tended
      }))
    : Effect.succeed({ url: given, how: "given by DATABASE_URL", tended: Effect.never })

const row = (name: string, text: string) => Console.log(`  ${name.padEnd(11)} ${text}`)

/**
 * Ends when npm is gone. npm passes SIGTERM to its shell, which dies of it and tells nobody: without this, stopping npm
 * would leave all of it running.
 */
const orphaned = Effect.suspend(() => {
  const parent = process.ppid
  return process.env.npm_lifecycle_event === "start"
    ? Effect.sleep(500).pipe(
        Effect.repeat({ while: () => Effect.sync(() => process.ppid === parent) }),
        Effect.andThen(Effect.interrupt)
      )
    : Effect.never
})

export const dev = Command.make(
  "dev",
  {},
  Effect.fnUntraced(function* () {
    const given = process.env
    const folder = path.resolve(given.ONCEGATE_DATA_DIR ?? ".oncegate")
    const kept = yield* DevFolder.open(folder)
    yield* Console.log(`Oncegate, with all it needs, in ${path.relative("", folder) || "."} `)

    yield* Effect.gen(function* () {
      const [pg, broker, simulator] = yield* Effect.all(
        [
          postgres(folder, given.DATABASE_URL),
          kafka(folder, given.KAFKA_BROKERS),
          SimulatorServer.start({ stateDir: path.join(folder, "simulator") })
        ],
        { concurrency: 3 }
      )
      /** Made here, and left for commands that open bodies or ask providers. */
      const made = {
        MASTER_KEYS: kept.masterKeys,
        ADMIN_TOKEN: kept.adminToken,
        PAYPAL_CLIENT_ID: simulator.clientId,
        PAYPAL_CLIENT_SECRET: simulator.clientSecret,
        ...gateEnvironment(simulator)
      }
      const environment = {
        ...made,
        // Who lets the port of webhooks be any wants no fixed one for the other either.
        ...(given.PORT === "0" ? { ADMIN_PORT: "0" } : {}),
        ...given,
        DATABASE_URL: pg.url,
        ...(broker.brokers.length === 0 ? {} : { KAFKA_BROKERS: broker.brokers.join(",") }),
        ALLOW_TEST_PROVIDERS: "yes"
      }
      const relay = broker.brokers.length > 0
      const terminal = process.stdout.isTTY === true
      const settings = yield* Effect.try({
        try: () => read(environment, { relay, terminal, defaultHost: "127.0.0.1" }),
        catch: (error) => error as Error
      })
      const logs = Logs.layer({ format: settings.logFormat, level: settings.logLevel, copy: kept.log })

      yield* Effect.gen(function* () {
        const applied = yield* Migrations.migrate.pipe(
          Effect.catchTag("DatabaseError", (error) => Effect.fail(unreachable(error))),
          Effect.provide(database(settings))
        )
        const active = new Set<Role>(roles.filter((role) => relay || role !== "relay"))
        const { admin, ingress } = yield* start(settings, active)
        const url = ingress!.url
        const key = yield* pseudonymKey("paypal").pipe(
          Effect.catchTag("DatabaseError", (error) => Effect.fail(unreachable(error))),
          Effect.provide(database(settings))
        )
        yield* Effect.sync(() =>
          kept.publish({
            ingress: url,
            simulator: simulator.origin,
            database_url: pg.url,
            kafka_brokers: broker.brokers,
            admin: admin!.url,
            pseudonym_key: key?.toString("hex") ?? "",
            admin_token: Redacted.value(settings.adminToken),
            environment: made,
            pid: process.pid
          })
        )
        yield* row(
          "Postgres",
          `${pg.how}${applied.length > 0 ? `, ${applied.length} migrations applied` : ""}: ${pg.url}`
        )
        if (relay) yield* row("Kafka", `${broker.how}: ${broker.brokers.join(",")}`)
        yield* row("Simulator", `plays PayPal and Toss: ${simulator.origin}`)
        yield* row("Ingress", `${url}/webhooks/paypal and ${url}/webhooks/toss`)
        yield* row("Admin", `${admin!.url} (token in ${path.join(path.relative("", folder), "dev.json")})`)
        yield* row("Log", path.join(path.relative("", folder), "oncegate.log"))
        yield* Console.log(
          "\nReady. In another terminal:\n\n  npx oncegate simulate --provider all --events 200 --copies 3\n  npx oncegate status --watch\n\nCtrl-C stops everything; the data stay."
        )
        return yield* Effect.raceFirst(orphaned, pg.tended)
      }).pipe(Effect.provide(logs))
    }).pipe(Effect.scoped)
  })
).pipe(
  Command.withDescription(
    "The whole service for trying it out: Postgres, Kafka, a simulator of PayPal and Toss, ingress and relay."
  ),
  Command.withExamples([
    { command: "oncegate dev", description: "what `npm start` runs" },
    {
      command: "PORT=0 ONCEGATE_DATA_DIR=/tmp/try oncegate dev",
      description: "any free port, data elsewhere"
    }
  ])
)
