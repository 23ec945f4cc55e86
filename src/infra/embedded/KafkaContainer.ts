import { rmSync } from "node:fs"
import path from "node:path"
import { type Duration, Effect } from "effect"
import { freePort } from "./FreePort.ts"
import { VERSION } from "./KafkaJars.ts"
import { runCommand } from "./RunCommand.ts"

export const OFFICIAL_IMAGE = `apache/kafka:${VERSION}`
const DATA = "/var/lib/kafka/data"

/** The image to run; `ONCEGATE_KAFKA_IMAGE` names another, which must understand the official one's variables. */
const image = () => process.env.ONCEGATE_KAFKA_IMAGE ?? OFFICIAL_IMAGE

const docker = (args: ReadonlyArray<string>, timeout: Duration.Input) =>
  runCommand("docker", args, { timeout })

const lastLine = (output: string) => output.split("\n").at(-1)?.trim() ?? ""

/** The image's own variables for one broker that clients of this machine reach at 127.0.0.1:`port`. */
export const settings = (port: number, clusterId: string) => ({
  CLUSTER_ID: clusterId,
  KAFKA_NODE_ID: "1",
  KAFKA_PROCESS_ROLES: "broker,controller",
  KAFKA_CONTROLLER_QUORUM_VOTERS: "1@localhost:29093",
  // The same port inside and outside: clients connect to the address that the broker tells them.
  KAFKA_LISTENERS: `PLAINTEXT://:${port},CONTROLLER://localhost:29093`,
  KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
  KAFKA_CONTROLLER_LISTENER_NAMES: "CONTROLLER",
  KAFKA_INTER_BROKER_LISTENER_NAME: "PLAINTEXT",
  KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
  KAFKA_LOG_DIRS: DATA,
  KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1",
  KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: "1",
  KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: "1",
  KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: "1",
  KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: "1",
  KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: "0",
  KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false",
  KAFKA_HEAP_OPTS: "-Xmx512m",
  KAFKA_JVM_PERFORMANCE_OPTS: "-XX:+UseSerialGC"
})

/** Succeeds when a Docker daemon answers and has the image, else fails with what is missing. */
export const find = (options: { readonly pullTimeout: Duration.Input }) =>
  Effect.gen(function* () {
    const daemon = yield* docker(["version", "--format", "{{.Server.Version}}"], "5 seconds")
    if (daemon.code !== 0) return yield* Effect.fail("no Docker daemon answers")
    const present = yield* docker(["image", "inspect", "--format", "{{.Id}}", image()], "10 seconds")
    if (present.code === 0) return
    yield* Effect.logInfo(`pulling the Docker image ${image()}, once`)
    const pull = yield* docker(["pull", "--quiet", image()], options.pullTimeout)
    if (pull.code !== 0) {
      return yield* Effect.fail(`the Docker image ${image()} cannot be had: ${lastLine(pull.output)}`)
    }
  })

/** Ends the container that a killed owner left behind. Its data are in the volume and stay. */
const remove = (name: string) =>
  docker(["stop", "--time", "20", name], "40 seconds").pipe(
    Effect.andThen(docker(["rm", "--force", name], "20 seconds"))
  )

/**
 * Runs one broker in a container until the scope closes. Its data are in a Docker volume of the container's name,
 * because a folder of the host would have to belong to the image's user.
 */
export const run = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly clusterId: string
  readonly name: string
}) {
  const { folder, name } = options
  yield* removeForgotten(folder, name)
  const portFile = path.join(folder, "port")
  yield* remove(name)
  const port = yield* freePort(portFile)
  const environment = Object.entries(settings(port, options.clusterId)).flatMap(([key, value]) => [
    "--env",
    `${key}=${value}`
  ])
  const network = process.env.ONCEGATE_DOCKER_NETWORK
  const reach = network === undefined ? ["--publish", `127.0.0.1:${port}:${port}`] : ["--network", network]
  const place = ["--name", name, "--label", `oncegate.folder=${folder}`, "--volume", `${name}:${DATA}`]
  yield* Effect.acquireRelease(
    docker(["run", "--detach", ...place, ...reach, ...environment, image()], "60 seconds").pipe(
      Effect.flatMap(({ code, output }) =>
        code === 0
          ? Effect.void
          : remove(name).pipe(
              Effect.andThen(Effect.sync(() => rmSync(portFile, { force: true }))),
              Effect.andThen(Effect.fail(`Docker could not run ${image()}: ${lastLine(output)}`))
            )
      )
    ),
    () => remove(name)
  )
  return {
    brokers: [`127.0.0.1:${port}`],
    check: docker(["inspect", "--format", "{{.State.Running}}", name], "10 seconds").pipe(
      Effect.flatMap(({ output }) =>
        output === "true" ? Effect.void : Effect.fail(`the container of ${image()} ended while starting`)
      )
    )
  }
})

/** A data folder that was deleted and made anew has a new name; what its predecessor left in Docker goes now. */
const removeForgotten = Effect.fnUntraced(function* (folder: string, name: string) {
  const label = `label=oncegate.folder=${folder}`
  const { output } = yield* docker(["ps", "--all", "--filter", label, "--format", "{{.Names}}"], "10 seconds")
  for (const other of output
    .split("\n")
    .filter((line) => line.startsWith("oncegate-kafka-") && line !== name)) {
    yield* remove(other)
    yield* docker(["volume", "rm", other], "20 seconds")
  }
})
