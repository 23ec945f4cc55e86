import { spawn } from "node:child_process"
import { chmodSync, existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect, Redacted } from "effect"
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

/** Starts what is not given by DATABASE_URL and KAFKA_BROKERS; all of it stops with the scope. */
export const start = Effect.fnUntraced(function* (folder: string, say: (text: string) => void) {
  makeFolder(folder)
  chmodSync(folder, 0o711) // as root, Postgres runs as another user and must be able to pass
  const given = process.env
  const stateDir = path.join(folder, "simulator")
  const [databaseUrl, brokers, { child, simulator }] = yield* Effect.all(
    [
      given.DATABASE_URL
        ? Effect.succeed(given.DATABASE_URL)
        : Effect.map(
            EmbeddedPostgres.start({ folder: path.join(folder, "postgres"), settings: POSTGRES }),
            ({ url }) => Redacted.value(url)
          ),
      given.KAFKA_BROKERS
        ? Effect.succeed(given.KAFKA_BROKERS.split(","))
        : Effect.map(
            EmbeddedKafka.start({ folder: path.join(folder, "kafka"), ways: ["jars", "docker"] }),
            (started) => started.brokers
          ),
      provider(stateDir)
    ],
    { concurrency: 3 }
  )
  const identity = (yield* Identity.read(stateDir))!
  return {
    folder,
    databaseUrl,
    brokers,
    simulator,
    certificateUrl: `${simulator.origin}/v1/notifications/certs/${identity.certificateId}`,
    pool: Pool.open(path.join(folder, "deliveries"), stateDir, identity.certificateId, say),
    pids: {
      postgres: given.DATABASE_URL ? [] : pidIn(path.join(folder, "postgres", "data", "postmaster.pid")),
      kafka: given.KAFKA_BROKERS ? [] : pidIn(path.join(folder, "kafka", "pid")),
      provider: [child.pid!]
    },
    say
  } satisfies Ground
})
