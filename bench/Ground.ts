import { spawn } from "node:child_process"
import { chmodSync, existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect, Exit, Redacted, Scope } from "effect"
import * as EmbeddedKafka from "../src/infra/embedded/EmbeddedKafka.ts"
import * as EmbeddedPostgres from "../src/infra/embedded/EmbeddedPostgres.ts"
import { makeFolder } from "../src/infra/embedded/OwnedFolder.ts"
import * as Identity from "../src/infra/simulator/Identity.ts"
import type { Simulator } from "../src/infra/simulator/SimulatorServer.ts"
import { baseEnvironment, NODE } from "./Process.ts"
import * as Pool from "./prepare/pool.ts"

/** What all contestants stand on: the same Postgres, the same Kafka, the same simulated providers. */
export interface Ground {
  /** Made here, kept between runs: data, prepared deliveries, what peers need. */
  readonly folder: string
  readonly databaseUrl: string
  readonly brokers: ReadonlyArray<string>
  readonly simulator: Simulator
  /** Address of the certificate that signs all PayPal deliveries. */
  readonly certificateUrl: string
  readonly pool: Pool.PoolStore
  /** Takes Kafka away, and brings it back where it was; undefined where it was given and is not ours to stop. */
  readonly kafka: { readonly stop: Effect.Effect<void>; readonly start: Effect.Effect<void> } | undefined
  /** Processes by part; empty where a part was given and may run elsewhere. */
  readonly pids: Readonly<Record<"postgres" | "kafka" | "provider", ReadonlyArray<number>>>
  readonly say: (text: string) => void
}

/** Alike for everyone, durable, with room for 128 clients of a connection each. */
const POSTGRES = {
  max_connections: "400",
  shared_buffers: "512MB",
  max_wal_size: "4GB",
  shared_preload_libraries: "pg_stat_statements"
}

const pidIn = (file: string) => (existsSync(file) ? [Number(readFileSync(file, "utf8").split("\n")[0])] : [])

const provider = (stateDir: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(NODE, [fileURLToPath(new URL("provider.ts", import.meta.url)), stateDir], {
        env: baseEnvironment(),
        stdio: ["pipe", "pipe", "inherit"]
      })
      for await (const line of createInterface({ input: child.stdout }))
        return { child, simulator: JSON.parse(line) as Simulator }
      throw new Error("the simulated providers did not start")
    }),
    ({ child }) => Effect.sync(() => child.stdin.end())
  )

/** A broker that can be stopped and started again, on its data and its port. */
const ownKafka = Effect.fnUntraced(function* (folder: string) {
  const outer = yield* Effect.scope
  let scope = yield* Scope.fork(outer)
  const up = Effect.suspend(() =>
    EmbeddedKafka.start({ folder, ways: ["jars", "docker"] }).pipe(Scope.provide(scope))
  )
  const { brokers } = yield* up
  return {
    brokers,
    stop: Effect.suspend(() => Scope.close(scope, Exit.void)),
    start: Effect.gen(function* () {
      scope = yield* Scope.fork(outer)
      yield* up
    }).pipe(Effect.orDie)
  }
})

/** Starts what is not given by DATABASE_URL and KAFKA_BROKERS; all of it stops with the scope. */
export const start = Effect.fnUntraced(function* (folder: string, say: (text: string) => void) {
  makeFolder(folder)
  chmodSync(folder, 0o711) // as root, Postgres runs as another user and must be able to pass
  const given = process.env
  const stateDir = path.join(folder, "simulator")
  const [databaseUrl, kafka, { child, simulator }] = yield* Effect.all(
    [
      given.DATABASE_URL
        ? Effect.succeed(given.DATABASE_URL)
        : Effect.map(
            EmbeddedPostgres.start({ folder: path.join(folder, "postgres"), settings: POSTGRES }),
            ({ url }) => Redacted.value(url)
          ),
      given.KAFKA_BROKERS
        ? Effect.succeed({ brokers: given.KAFKA_BROKERS.split(",") })
        : ownKafka(path.join(folder, "kafka")),
      provider(stateDir)
    ],
    { concurrency: 3 }
  )
  const identity = (yield* Identity.read(stateDir))!
  return {
    folder,
    databaseUrl,
    brokers: kafka.brokers,
    kafka: "stop" in kafka ? kafka : undefined,
    simulator,
    certificateUrl: `${simulator.origin}/v1/notifications/certs/${identity.certificateId}`,
    pool: Pool.open(path.join(folder, "deliveries"), stateDir, identity.certificateId, say),
    get pids() {
      return {
        postgres: given.DATABASE_URL ? [] : pidIn(path.join(folder, "postgres", "data", "postmaster.pid")),
        kafka: given.KAFKA_BROKERS ? [] : pidIn(path.join(folder, "kafka", "pid")),
        provider: [child.pid!]
      }
    },
    say
  } satisfies Ground
})
