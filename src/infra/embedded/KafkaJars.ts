import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { freePort } from "./FreePort.ts"
import { single, toText } from "./KafkaProperties.ts"
import { launch } from "./Launch.ts"
import { isRunning, stop } from "./LocalProcess.ts"
import { makeFolder } from "./OwnedFolder.ts"
import { runCommand } from "./RunCommand.ts"

/** Not 4.3.0, 4.3.1 or 4.4.0: docs/adr/0050. */
export const VERSION = "4.2.2"
const JAVA_AT_LEAST = 17
const POM = fileURLToPath(new URL("../../../ops/kafka/pom.xml", import.meta.url))

/** Shared by all checkouts of a user, so that only the first one downloads. */
const cacheFolder = () =>
  path.join(
    process.env.ONCEGATE_CACHE_DIR ??
      path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache"), "oncegate"),
    `kafka-${VERSION}`
  )

/** What Kafka needs to run here, or (the failure) what is missing. */
export const find = Effect.gen(function* () {
  const java = process.env.JAVA_HOME ? path.join(process.env.JAVA_HOME, "bin", "java") : "java"
  const { code, output } = yield* runCommand(java, ["-version"], { timeout: "20 seconds" })
  const version = Number(/version "(\d+)/.exec(output)?.[1] ?? 0)
  if (code !== 0) return yield* Effect.fail(`Java ${JAVA_AT_LEAST} or later is not installed`)
  if (version < JAVA_AT_LEAST) {
    return yield* Effect.fail(`Java ${JAVA_AT_LEAST} or later is needed, this is ${version}`)
  }
  return { java, jars: yield* jars }
})

/** The folder of Kafka's jars. They come from Maven once; two downloads at once are safe, the first one counts. */
const jars = Effect.gen(function* () {
  const folder = cacheFolder()
  if (existsSync(folder)) return folder
  const maven = yield* runCommand("mvn", ["-version"], { timeout: "30 seconds" })
  if (maven.code !== 0) return yield* Effect.fail("Maven, which downloads Kafka, is not installed")
  const parent = path.dirname(folder)
  const partial = yield* Effect.try({
    try: () => {
      makeFolder(parent)
      return mkdtempSync(`${folder}.`)
    },
    catch: () => `the cache folder ${parent} cannot be written (ONCEGATE_CACHE_DIR sets another)`
  })
  yield* Effect.logInfo(`downloading Apache Kafka ${VERSION} (44 MB) with Maven, once, to ${folder}`)
  const args = ["-q", "-B", "-f", POM, "dependency:copy-dependencies", "-DincludeScope=runtime"]
  const download = runCommand("mvn", [...args, `-DoutputDirectory=${partial}`], { timeout: "10 minutes" })
  const move = Effect.gen(function* () {
    const { code, output } = yield* download
    if (code !== 0 || !readdirSync(partial).some((name) => name.startsWith("kafka_"))) {
      const line = output.split("\n").find((text) => text.includes("ERROR")) ?? output.split("\n")[0]
      return yield* Effect.fail(`Maven could not download Kafka: ${line}`)
    }
    yield* Effect.ignore(
      Effect.try(() => {
        chmodSync(partial, 0o755) // mkdtemp closes it to others, who may share the cache
        renameSync(partial, folder)
      })
    )
    return folder
  })
  return yield* Effect.ensuring(
    move,
    Effect.sync(() => rmSync(partial, { recursive: true, force: true }))
  )
})

/** The file whose path in its command line makes a Java process recognisable as the broker of this folder. */
export const propertiesFile = (folder: string) => path.join(folder, "server.properties")

/** SIGTERM is Kafka's own orderly shutdown. */
export const STOP = [
  ["SIGTERM", 20_000],
  ["SIGKILL", 5_000]
] as const

const environment = { PATH: process.env.PATH, LC_ALL: "C" }
const LOGGING = [
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.showDateTime=true",
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"
]

/** Runs one broker on `folder` until the scope closes; fails with the reason when it does not start. */
export const run = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly clusterId: string
  readonly java: string
  readonly jars: string
}) {
  const { folder, java } = options
  const file = propertiesFile(folder)
  const data = path.join(folder, "data")
  const classpath = ["-cp", path.join(options.jars, "*")]
  const ports = {
    broker: yield* freePort(path.join(folder, "port")),
    controller: yield* freePort(path.join(folder, "controller.port"))
  }
  if (!existsSync(data)) {
    // Formatted beside, then renamed: a kill in the middle leaves nothing that looks formatted.
    const fresh = `${data}.new`
    rmSync(fresh, { recursive: true, force: true })
    yield* write(file, toText(single(ports, fresh)))
    const tool = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", ...LOGGING, ...classpath]
    const format = ["kafka.tools.StorageTool", "format", "-t", options.clusterId, "-c", file]
    const { code, output } = yield* runCommand(java, [...tool, ...format], {
      timeout: "60 seconds",
      env: environment
    })
    if (code !== 0) return yield* Effect.fail(`Kafka could not format ${data}: ${output.split("\n").at(-1)}`)
    yield* Effect.try({ try: () => renameSync(fresh, data), catch: String })
  }
  yield* write(file, toText(single(ports, data)))
  const log = path.join(folder, "kafka.log")
  const broker = yield* Effect.acquireRelease(
    launch({
      command: java,
      args: ["-Xmx512m", "-XX:+UseSerialGC", ...LOGGING, ...classpath, "kafka.Kafka", file],
      log,
      stop: STOP,
      env: environment
    }).pipe(Effect.mapError((error) => `Kafka did not start: ${error.message}`)),
    (process) => Effect.promise(() => stop(process, STOP))
  )
  yield* write(path.join(folder, "pid"), String(broker.pid))
  return {
    brokers: [`127.0.0.1:${ports.broker}`],
    check: Effect.suspend(() =>
      isRunning(broker) ? Effect.void : Effect.fail(`Kafka ended while starting, its log is ${log}`)
    )
  }
})

const write = (file: string, text: string) =>
  Effect.try({ try: () => writeFileSync(file, text), catch: (error) => (error as Error).message })
