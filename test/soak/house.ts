import { readFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Effect, Redacted } from "effect"
import postgres from "postgres"
import { database } from "../../src/cli/Service.ts"
import * as KeptKafka from "../../src/infra/embedded/KeptKafka.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { startFaultyProxy } from "../chaos/FaultyProxy.ts"
import { startCuttingProxy } from "../support/CuttingProxy.ts"
import { ownFolder, ownPostgres } from "../support/OwnPostgres.ts"
import { environmentOf, startProviders } from "../support/Providers.ts"
import { ended, type Serving, serve } from "../support/ServeProcess.ts"
import { startConsumers } from "./Consumers.ts"
import { ownDisk } from "./Disk.ts"
import { CONSUMERS, GATES } from "./plan.ts"

export const LEASE_MS = 3_000
export const PREFIX = "soak."
/** For a database that restarts by itself; past it somebody starts it. */
const REVIVE_MS = 10_000

const STARTS = 10

/** One place for a gate: a port, a way to the database that can lose replies, and the process that runs there now. */
const place = Effect.fnUntraced(function* (environment: Readonly<Record<string, string>>, url: string) {
  const target = new URL(url)
  const proxy = yield* startCuttingProxy(target.hostname, Number(target.port))
  const through = new URL(url)
  through.port = String(proxy.port)
  /** As a supervisor does: a gate that finds no database in the moment of its start ends, and is started again. */
  const start = async (
    extra: Readonly<Record<string, string>>,
    port: string,
    tries = STARTS
  ): Promise<Serving> => {
    try {
      return await serve(
        { ...environment, DATABASE_URL: through.href, PORT: port, ...extra },
        path.join("test", "faults", "serve.ts")
      )
    } catch (error) {
      if (tries <= 1) throw error
      return start(extra, port, tries - 1)
    }
  }
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

/**
 * Everything a soak runs on: own Postgres on a disk that can be full, own Kafka behind a proxy, the simulated providers,
 * gates with all their roles, and consumers of what they publish.
 */
export const open = Effect.gen(function* () {
  const where = yield* ownFolder
  const disk = yield* ownDisk(path.join(where, "postgres"))
  // On a disk of its own it is all in memory: no more of its log than it needs.
  const pg = yield* ownPostgres(path.join(where, "postgres"), { max_wal_size: "256MB" })
  const kafkaFolder = path.join(where, "kafka")
  const { brokers } = yield* KeptKafka.start({ folder: kafkaFolder, ways: ["jars"] })
  const brokerPort = Number(brokers[0]!.split(":")[1])
  const brokerProxy = yield* Effect.acquireRelease(
    Effect.promise(() => startFaultyProxy(brokerPort)),
    (proxy) => Effect.sync(proxy.close)
  )
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
  const places = yield* Effect.forEach(Array.from({ length: GATES }), () =>
    place({ ...environment, LOG_LEVEL: "info", PROXY: `${brokerPort}:${brokerProxy.port}` }, pg.url)
  )
  const sql = postgres(pg.url, { max: 2, onnotice: () => {} })
  yield* Effect.addFinalizer(() => Effect.promise(() => sql.end({ timeout: 2 })))
  const consumers = yield* startConsumers(CONSUMERS, {
    DATABASE_URL: pg.url,
    KAFKA_BROKERS: environment.KAFKA_BROKERS,
    KAFKA_TOPIC_PREFIX: PREFIX
  })
  return {
    brokerProxy,
    brokers,
    consumers,
    databaseUrl: pg.url,
    disk,
    environment,
    places,
    providers,
    sql,
    crashPostgres: pg.crash,
    /** Waits until it answers; one that ended, as a full disk can make it, is started again. */
    revivePostgres: async () => {
      const isUp = () =>
        sql`SELECT`.then(
          () => true,
          () => false
        )
      const until = performance.now() + REVIVE_MS
      while (!(await isUp())) {
        if (performance.now() > until) return Effect.runPromise(pg.again)
        await pause(100)
      }
    },
    /** It is started again by who keeps it. */
    killBroker: () => process.kill(Number(readFileSync(path.join(kafkaFolder, "pid"), "utf8")), "SIGKILL")
  }
})
export type House = Effect.Success<typeof open>
