import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import { freePort } from "../../src/infra/embedded/FreePort.ts"
import { newClusterId } from "../../src/infra/embedded/KafkaCluster.ts"
import * as KafkaJars from "../../src/infra/embedded/KafkaJars.ts"
import { launch, stop } from "../../src/infra/embedded/LocalProcess.ts"
import { runCommand } from "../../src/infra/embedded/RunCommand.ts"
import type { TestCertificate } from "./TestCa.ts"

export const USER = "relay"

const pemOf = ({ pem, privateKey }: TestCertificate) =>
  `${privateKey.export({ type: "pkcs8", format: "pem" })}${pem}`

/**
 * A broker as production has it: TLS and a password for every client, PLAIN or SCRAM-SHA-512. `host` is the name that
 * it gives itself; it listens on the loopback.
 */
export const start = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly certificate: TestCertificate
  /** PEM of the authority: the broker is its own client too. */
  readonly ca: string
  readonly password: string
  readonly host?: string
}) {
  const { folder, host = "localhost", password } = options
  const { jars, java } = yield* KafkaJars.find
  mkdirSync(folder, { recursive: true })
  const keys = path.join(folder, "broker.pem")
  writeFileSync(keys, pemOf(options.certificate), { mode: 0o600 })
  const authority = path.join(folder, "authority.pem")
  writeFileSync(authority, options.ca)
  const port = yield* freePort(path.join(folder, "port"))
  const controller = yield* freePort(path.join(folder, "controller.port"))
  const file = path.join(folder, "server.properties")
  const login = "org.apache.kafka.common.security"
  writeFileSync(
    file,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=SASL_SSL://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=SASL_SSL://${host}:${port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=${login}.plain.PlainLoginModule required username="${USER}" password="${password}" user_${USER}="${password}";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=${login}.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=${keys}
ssl.truststore.type=PEM
ssl.truststore.location=${authority}
log.dirs=${path.join(folder, "data")}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
`,
    { mode: 0o600 }
  )
  const classpath = [
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-cp",
    path.join(jars, "*")
  ]
  const env = { PATH: process.env.PATH, LC_ALL: "C" }
  const format = yield* runCommand(
    java,
    [
      "-XX:TieredStopAtLevel=1",
      ...classpath,
      "kafka.tools.StorageTool",
      "format",
      "-t",
      newClusterId(),
      "-c",
      file,
      "--add-scram",
      `SCRAM-SHA-512=[name=${USER},password=${password}]`
    ],
    { timeout: "60 seconds", env }
  )
  if (format.code !== 0) return yield* Effect.die(new Error(format.output))
  yield* Effect.acquireRelease(
    launch({
      command: java,
      args: ["-Xmx384m", ...classpath, "kafka.Kafka", file],
      log: path.join(folder, "kafka.log"),
      env
    }),
    (broker) => stop(broker, KafkaJars.STOP)
  )
  return { port, broker: `${host}:${port}` }
})
