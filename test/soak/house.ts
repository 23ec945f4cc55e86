import { readFileSync } from "node:fs"
import path from "node:path"
import { Effect, Redacted } from "effect"
import postgres from "postgres"
import { database } from "../../src/cli/Service.ts"
import * as KeptKafka from "../../src/infra/embedded/KeptKafka.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { startCuttingProxy } from "../support/CuttingProxy.ts"
import { ownFolder, ownPostgres } from "../support/OwnPostgres.ts"
import { environmentOf, startProviders } from "../support/Providers.ts"
import { ended, type Serving, serve } from "../support/ServeProcess.ts"

export const LEASE_MS = 3_000
export const PREFIX = "soak."

/** One place for a gate: a port, a way to the database that can lose replies, and the process that runs there now. */
const place = Effect.fnUntraced(function* (environment: Readonly<Record<string, string>>, url: string) {
  const target = new URL(url)
  const proxy = yield* startCuttingProxy(target.hostname, Number(target.port))
  const through = new URL(url)
  through.port = String(proxy.port)
  const start = (extra: Readonly<Record<string, string>>, port: string) =>
    serve(
      { ...environment, DATABASE_URL: through.href, PORT: port, ...extra },
      path.join("test", "faults", "serve.ts")
    )
  let serving: Serving = yield* Effect.promise(() => start({}, "0"))
  const { port } = new URL(serving.url)
  const restart = async (extra: Readonly<Record<string, string>> = {}) => {
    serving.child.kill("SIGKILL")
    await ended(serving.child)
    serving = await start(extra, port)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => serving.child.kill("SIGKILL")))
  return { proxy, restart, url: serving.url, serving: () => serving }
})
export type Place = Effect.Success<ReturnType<typeof place>>

/** Everything a soak runs on: own Postgres, own Kafka, the simulated providers, and some gates with all their roles. */
export const open = Effect.fnUntraced(function* (gates: number) {
  const where = yield* ownFolder
  const pg = yield* ownPostgres(path.join(where, "postgres"))
  const kafkaFolder = path.join(where, "kafka")
  const { brokers } = yield* KeptKafka.start({ folder: kafkaFolder, ways: ["jars"] })
  const providers = yield* startProviders
  yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(pg.url) })))
  const environment = {
    ...environmentOf(providers, pg.url),
    KAFKA_BROKERS: brokers.join(","),
    KAFKA_TOPIC_PREFIX: PREFIX,
    LEASE_MS: String(LEASE_MS),
    BACKOFF_BASE_MS: "200",
    BACKOFF_MAX_MS: "2000",
    LOG_LEVEL: "warning",
    LOG_FORMAT: "json"
  }
  const places = yield* Effect.forEach(Array.from({ length: gates }), () =>
    place({ ...environment, LOG_LEVEL: "info" }, pg.url)
  )
  const sql = postgres(pg.url, { max: 2, onnotice: () => {} })
  yield* Effect.addFinalizer(() => Effect.promise(() => sql.end({ timeout: 2 })))
  return {
    brokers,
    databaseUrl: pg.url,
    environment,
    places,
    providers,
    sql,
    crashPostgres: pg.crash,
    /** It is started again by who keeps it. */
    killBroker: () => process.kill(Number(readFileSync(path.join(kafkaFolder, "pid"), "utf8")), "SIGKILL")
  }
})
export type House = Effect.Success<ReturnType<typeof open>>
