import { randomBytes } from "node:crypto"
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { type Duration, Effect, Exit, Result, Schema, Scope } from "effect"
import { clusterAt, newClusterId } from "./KafkaCluster.ts"
import * as KafkaContainer from "./KafkaContainer.ts"
import * as KafkaJars from "./KafkaJars.ts"
import { commandLine, find, stop } from "./LocalProcess.ts"
import { own } from "./OwnedFolder.ts"

/** No broker could be started. The message says why, way by way, and what would help. */
export class KafkaUnavailable extends Schema.TaggedError<KafkaUnavailable>()("KafkaUnavailable", {
  reasons: Schema.Array(Schema.String),
  advice: Schema.String
}) {
  override get message() {
    return `no Kafka broker could be started: ${this.reasons.join("; ")}. ${this.advice}`
  }
}

const ADVICE = "Install Docker, or Java 17 or later and Maven, or set KAFKA_BROKERS to a Kafka of your own"

export type Way = "docker" | "jars"

/** What a data folder must remember: data made in one way are not found in the other. */
const Cluster = Schema.fromJsonString(
  Schema.Struct({ how: Schema.Literals(["docker", "jars"]), clusterId: Schema.String, name: Schema.String })
)

/**
 * A real Apache Kafka (one KRaft node) that stops when the scope closes: the Docker image where a daemon answers, else
 * the jars by Maven and Java. Its data are found again at the next start, also after this process and the broker were
 * killed. `ways` (default: both, Docker first) is asked only by the first start of a folder.
 */
export const start = (options: {
  readonly folder: string
  readonly ways?: ReadonlyArray<Way>
}): Effect.Effect<
  { readonly brokers: ReadonlyArray<string>; readonly how: Way },
  KafkaUnavailable,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const folder = path.resolve(options.folder)
    yield* own("kafka", folder).pipe(
      Effect.mapError(({ reason, advice }) => new KafkaUnavailable({ reasons: [reason], advice }))
    )
    const file = path.join(folder, "cluster.json")
    yield* stopLeftover(folder)
    if (existsSync(file)) {
      const cluster = yield* Schema.decodeUnknownEffect(Cluster)(readFileSync(file, "utf8")).pipe(
        Effect.mapError(() => `${file} is damaged (remove ${folder} to begin anew)`)
      )
      const brokers = yield* startIn(folder, cluster, "10 minutes").pipe(
        Effect.mapError(
          (reason) =>
            `${reason} (the data of ${folder} were made with ${cluster.how}; those of a Kafka later than ${KafkaJars.VERSION} it cannot read: remove the folder to begin anew)`
        )
      )
      return { brokers, how: cluster.how }
    }
    const ways = options.ways ?? (["docker", "jars"] as const)
    const reasons: Array<string> = []
    for (const how of ways) {
      rmSync(path.join(folder, "data"), { recursive: true, force: true }) // of a first start that came to no end
      const cluster = {
        how,
        clusterId: newClusterId(),
        name: `oncegate-kafka-${randomBytes(6).toString("hex")}`
      }
      // A registry out of reach must not keep anyone waiting where jars can be had.
      const pullTimeout = ways.at(-1) === how ? "10 minutes" : "45 seconds"
      // A scope of its own: what a way started that did not work must be gone before the next is tried.
      const scope = yield* Scope.fork(yield* Effect.scope)
      const result = yield* startIn(folder, cluster, pullTimeout).pipe(
        Scope.provide(scope),
        Effect.tapError((reason) => Scope.close(scope, Exit.fail(reason))),
        Effect.result
      )
      if (Result.isSuccess(result)) {
        yield* Effect.try({
          try: () => {
            writeFileSync(`${file}.new`, JSON.stringify(cluster))
            renameSync(`${file}.new`, file)
          },
          catch: String
        })
        return { brokers: result.success, how }
      }
      reasons.push(result.failure)
    }
    return yield* Effect.fail(reasons)
  }).pipe(
    Effect.mapError((error) =>
      error instanceof KafkaUnavailable
        ? error
        : new KafkaUnavailable({ reasons: [error].flat(), advice: ADVICE })
    )
  )

const startIn = Effect.fnUntraced(function* (
  folder: string,
  cluster: typeof Cluster.Type,
  pullTimeout: Duration.Input
) {
  const { clusterId, name } = cluster
  const broker =
    cluster.how === "docker"
      ? yield* Effect.andThen(
          KafkaContainer.find({ pullTimeout }),
          KafkaContainer.run({ folder, clusterId, name })
        )
      : yield* Effect.flatMap(KafkaJars.find, (found) => KafkaJars.run({ folder, clusterId, ...found }))
  yield* ready(broker.brokers, clusterId, broker.check).pipe(
    Effect.timeoutOrElse({
      duration: "90 seconds",
      orElse: () => Effect.fail("Kafka runs but does not answer")
    })
  )
  return broker.brokers
})

/** Ends the broker that a killed owner left behind in `folder`, and only that one. */
const stopLeftover = Effect.fnUntraced(function* (folder: string) {
  const file = path.join(folder, "pid")
  const leftover = existsSync(file) ? find(Number(readFileSync(file, "utf8"))) : undefined
  if (leftover === undefined || !commandLine(leftover.pid).includes(KafkaJars.propertiesFile(folder))) return
  yield* Effect.logInfo(`stopping the Kafka left running by an earlier start (process ${leftover.pid})`)
  yield* Effect.promise(() => stop(leftover, KafkaJars.STOP))
})

/** Waits until the broker answers as the cluster that we started, not as a stranger on its port. */
const ready = Effect.fnUntraced(function* (
  brokers: ReadonlyArray<string>,
  clusterId: string,
  check: Effect.Effect<void, string>
) {
  while (true) {
    yield* check
    if ((yield* clusterAt(brokers[0]!)) === clusterId) return
    yield* Effect.sleep("200 millis")
  }
})
