import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect, Scope } from "effect"
import { freePort } from "../../src/infra/embedded/FreePort.ts"
import { newClusterId } from "../../src/infra/embedded/KafkaCluster.ts"
import * as KafkaJars from "../../src/infra/embedded/KafkaJars.ts"
import { type KafkaProperties, single, toText } from "../../src/infra/embedded/KafkaProperties.ts"
import { launch } from "../../src/infra/embedded/Launch.ts"
import { isRunning, type LocalProcess, type Steps, stop } from "../../src/infra/embedded/LocalProcess.ts"
import { runCommand } from "../../src/infra/embedded/RunCommand.ts"

export interface Node {
  readonly id: number
  readonly port: number
  /** Of its log so far. */
  readonly log: () => string
  readonly isRunning: () => boolean
  /** SIGKILL, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** Kafka's own orderly way: it hands its partitions over. */
  readonly stop: Effect.Effect<void>
  /** Once more, on its data and its port; returns when it answers. */
  readonly start: Effect.Effect<void>
}

export interface Nodes {
  readonly nodes: ReadonlyArray<Node>
  /** `host:port` of each. */
  readonly brokers: ReadonlyArray<string>
}

export interface NodesOptions {
  readonly folder: string
  /** Each is a broker; the first is the controller, of three or more the first three are. */
  readonly count?: number
  readonly settings?: (port: number, controller: number) => KafkaProperties
  readonly format?: ReadonlyArray<string>
  /** Where a node keeps its records, if not in the folder; it exists. */
  readonly data?: (id: number) => string
  readonly heapMb?: number
}

const ENVIRONMENT = { PATH: process.env.PATH, LC_ALL: "C" }
const STARTED = "Kafka Server started"
const FLAGS = [
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  // Says when it answers.
  "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
  // Says when it ends a transaction that took too long.
  "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator.transaction=info",
  "-Dorg.slf4j.simpleLogger.log.kafka.coordinator.transaction=info"
]
/** A machine under load; where it died it says so at once. */
const START_LIMIT = "90 seconds"
const TRIES = 5
const KILL: Steps = [["SIGKILL", 10_000]]

class PortTaken extends Error {}

const lastLines = (log: string) =>
  log
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("\tat "))
    .slice(-12)
    .join("\n")

/**
 * Brokers from Kafka's jars with settings of the test's own, up when this returns. One that ends instead fails at once
 * with the last lines of its log; where another process took its port first, all begin again on other ports.
 */
export const start = (options: NodesOptions): Effect.Effect<Nodes, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    for (let tries = 1; ; tries++) {
      const mine = yield* Scope.fork(scope)
      const result = yield* Effect.exit(Scope.provide(once(options, tries), mine))
      if (result._tag === "Success") return result.value
      yield* Scope.close(mine, result)
      const taken = result.cause.reasons.some(
        (reason) => reason._tag === "Fail" && reason.error instanceof PortTaken
      )
      if (!taken || tries === TRIES) return yield* Effect.failCause(result.cause)
    }
  }).pipe(Effect.orDie)

const once = Effect.fnUntraced(function* (options: NodesOptions, tries: number) {
  const { count = 1, heapMb = 384 } = options
  const { jars, java } = yield* Effect.mapError(KafkaJars.find, (reason) => new Error(reason))
  const clusterId = newClusterId()
  const classpath = ["-cp", path.join(jars, "*")]
  const ports = yield* Effect.forEach(
    Array.from({ length: count }, (_, n) => n + 1),
    (id) => Effect.all({ id: Effect.succeed(id), broker: freePort(), controller: freePort() })
  )
  const controllers = ports.slice(0, count < 3 ? 1 : 3)
  const voters = controllers.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join()

  const node = Effect.fnUntraced(function* ({ id, broker, controller }: (typeof ports)[number]) {
    const folder = path.join(options.folder, `node-${id}-${tries}`)
    mkdirSync(folder, { recursive: true })
    const data = options.data?.(id) ?? path.join(folder, "data")
    const file = path.join(folder, "server.properties")
    const log = path.join(folder, "kafka.log")
    const settings = {
      ...single({ broker, controller }, data),
      "node.id": id,
      "controller.quorum.voters": voters,
      ...(id > controllers.length
        ? { "process.roles": "broker", listeners: `PLAINTEXT://127.0.0.1:${broker}` }
        : {}),
      ...options.settings?.(broker, controller)
    }
    writeFileSync(file, toText(settings), { mode: 0o600 })
    const format = yield* runCommand(
      java,
      [...FLAGS, ...classpath, "kafka.tools.StorageTool", "format", "-g", "-t", clusterId, "-c", file].concat(
        options.format ?? []
      ),
      { timeout: "60 seconds", env: ENVIRONMENT }
    )
    if (format.code !== 0) return yield* Effect.fail(new Error(lastLines(format.output)))

    let running: LocalProcess | undefined
    const logged = () => readFileSync(log, "utf8")
    const end = (steps: Steps) =>
      Effect.promise(async () => {
        if (running !== undefined) await stop(running, steps)
      })
    const kill = end(KILL)
    // Nobody looks at its data any more.
    yield* Effect.addFinalizer(() => kill)
    const up = Effect.gen(function* () {
      const started = yield* launch({
        command: java,
        args: [`-Xmx${heapMb}m`, ...FLAGS, ...classpath, "kafka.Kafka", file],
        log,
        stop: KILL,
        env: ENVIRONMENT
      })
      running = started
      while (!logged().includes(STARTED)) {
        if (!isRunning(started)) {
          const text = logged()
          const isTaken = /BindException|Address already in use/.test(text)
          return yield* Effect.fail(
            new (isTaken ? PortTaken : Error)(`Kafka ended while starting:\n${lastLines(text)}`)
          )
        }
        yield* Effect.sleep("50 millis")
      }
    }).pipe(
      Effect.timeoutOrElse({
        duration: START_LIMIT,
        orElse: () => Effect.fail(new Error(`Kafka did not start:\n${lastLines(logged())}`))
      })
    )
    return {
      up,
      node: {
        id,
        port: broker,
        log: logged,
        isRunning: () => running !== undefined && isRunning(running),
        kill,
        stop: end(KafkaJars.STOP),
        start: Effect.orDie(up)
      } satisfies Node
    }
  })
  const made = yield* Effect.forEach(ports, node, { concurrency: 2 })
  yield* Effect.forEach(made, ({ up }) => up, { concurrency: "unbounded", discard: true })
  return {
    nodes: made.map(({ node }) => node),
    brokers: ports.map(({ broker }) => `127.0.0.1:${broker}`)
  } satisfies Nodes
})
