import { mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import * as KafkaNodes from "./KafkaNodes.ts"
import type { TestCertificate } from "./TestCa.ts"

export const USER = "relay"

const pemOf = ({ pem, privateKey }: TestCertificate) =>
  `${privateKey.export({ type: "pkcs8", format: "pem" })}${pem}`

/**
 * A broker as production has it: TLS and a password for every client, PLAIN or SCRAM-SHA-512. `host` is the name that
 * it gives itself; it listens on the loopback. It answers when this returns.
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
  mkdirSync(folder, { recursive: true })
  const keys = path.join(folder, "broker.pem")
  writeFileSync(keys, pemOf(options.certificate), { mode: 0o600 })
  const authority = path.join(folder, "authority.pem")
  writeFileSync(authority, options.ca)
  const login = "org.apache.kafka.common.security"
  const { nodes } = yield* KafkaNodes.start({
    folder,
    settings: (port, controller) => ({
      listeners: `SASL_SSL://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
      "advertised.listeners": `SASL_SSL://${host}:${port}`,
      "inter.broker.listener.name": "SASL_SSL",
      "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
      "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
      "sasl.mechanism.inter.broker.protocol": "PLAIN",
      "listener.name.sasl_ssl.plain.sasl.jaas.config": `${login}.plain.PlainLoginModule required username="${USER}" password="${password}" user_${USER}="${password}";`,
      "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": `${login}.scram.ScramLoginModule required;`,
      "ssl.keystore.type": "PEM",
      "ssl.keystore.location": keys,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.location": authority
    }),
    format: ["--add-scram", `SCRAM-SHA-512=[name=${USER},password=${password}]`]
  })
  const { port } = nodes[0]!
  return { port, broker: `${host}:${port}` }
})
