import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { Effect, type Scope } from "effect"
import driver from "postgres"
import type { GenericContainer } from "testcontainers"
import { freePort } from "../../src/infra/embedded/FreePort.ts"
import { clusterAt, newClusterId } from "../../src/infra/embedded/KafkaCluster.ts"
import { OFFICIAL_IMAGE, settings } from "../../src/infra/embedded/KafkaContainer.ts"

const POSTGRES_IMAGE = process.env.ONCEGATE_TEST_POSTGRES_IMAGE ?? "postgres:18"
export const KAFKA_IMAGE = process.env.ONCEGATE_TEST_KAFKA_IMAGE ?? OFFICIAL_IMAGE

/** For a daemon without a bridge of its own: `host` lets containers use this machine's network. */
const NETWORK = process.env.ONCEGATE_TEST_DOCKER_NETWORK

/** Where a daemon may listen. Looked at first, because loading testcontainers alone takes about a second. */
const mayAnswer = () =>
  process.env.DOCKER_HOST !== undefined ||
  [
    "/var/run/docker.sock",
    path.join(process.env.XDG_RUNTIME_DIR ?? "/nowhere", "docker.sock"),
    path.join(os.homedir(), ".docker", "run", "docker.sock")
  ].some((socket) => existsSync(socket))

const available = Effect.tryPromise({
  try: async () => {
    if (!mayAnswer()) throw new Error("no socket")
    // We stop what we start and need no reaper, which would be one more image to pull.
    process.env.TESTCONTAINERS_RYUK_DISABLED = "true"
    const testcontainers = await import("testcontainers")
    await testcontainers.getContainerRuntimeClient()
    return testcontainers
  },
  catch: () => "no Docker daemon answers"
})

/** One container until the scope closes. Its port is the same inside and outside, chosen here. */
const container = (
  image: string,
  port: number,
  configure: (container: GenericContainer) => GenericContainer
): Effect.Effect<void, string, Scope.Scope> =>
  Effect.gen(function* () {
    const { GenericContainer, Wait } = yield* available
    const base = configure(new GenericContainer(image)).withWaitStrategy(Wait.forLogMessage(/./))
    const placed =
      NETWORK === undefined
        ? base.withExposedPorts({ container: port, host: port })
        : base.withNetworkMode(NETWORK)
    yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => placed.start(),
        catch: (error) => `${image}: ${(error as Error).message}`
      }),
      (started) => Effect.promise(() => started.stop({ timeout: 20_000 }).catch(() => {}))
    )
  })

const until = (answers: Effect.Effect<boolean>, image: string) =>
  answers.pipe(
    Effect.tap((yes) => (yes ? Effect.void : Effect.sleep("200 millis"))),
    Effect.repeat({ until: (yes) => yes }),
    Effect.timeoutOrElse({
      duration: "90 seconds",
      orElse: () => Effect.fail(`${image} runs but does not answer`)
    }),
    Effect.asVoid
  )

/** Postgres by testcontainers: its URL, or why there is none. */
export const postgres = Effect.gen(function* () {
  const port = yield* freePort()
  const password = randomBytes(18).toString("hex")
  yield* container(POSTGRES_IMAGE, port, (image) =>
    image.withEnvironment({
      POSTGRES_USER: "oncegate",
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: "oncegate",
      PGPORT: String(port)
    })
  )
  const url = `postgres://oncegate:${password}@127.0.0.1:${port}/oncegate`
  const answers = Effect.promise(async () => {
    const sql = driver(url, { max: 1, connect_timeout: 2 })
    return sql`SELECT 1`
      .then(
        () => true,
        () => false
      )
      .finally(() => sql.end({ timeout: 1 }))
  })
  yield* until(answers, POSTGRES_IMAGE)
  return url
})

/** Kafka by testcontainers: its brokers, or why there are none. */
export const kafka = Effect.gen(function* () {
  const port = yield* freePort()
  const clusterId = newClusterId()
  yield* container(KAFKA_IMAGE, port, (image) => image.withEnvironment(settings(port, clusterId)))
  const broker = `127.0.0.1:${port}`
  yield* until(
    Effect.map(clusterAt(broker), (id) => id === clusterId),
    KAFKA_IMAGE
  )
  return [broker]
})
