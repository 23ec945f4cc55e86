import { createRequire } from "node:module"
import { Effect, Redacted } from "effect"
import kafkajs, { type Kafka as Client, type ISocketFactory, type SASLOptions } from "kafkajs"
import "./KafkajsRefusals.ts"
import "./KafkajsIdleTimer.ts"

/** How the brokers are reached. */
export interface KafkaOptions {
  readonly brokers: ReadonlyArray<string>
  readonly clientId: string
  readonly tls?: boolean
  /** PEM of the authorities to trust instead of the runtime's own. */
  readonly ca?: string
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512"
    readonly username: string
    readonly password: Redacted.Redacted
  }
  /** A connection to a broker has ended, whoever ended it; kafkajs makes another one and says nothing. */
  readonly onConnectionClosed?: () => void
}

const makeSocket = (
  createRequire(import.meta.url)("kafkajs/src/network/socketFactory") as () => ISocketFactory
)()

/** The driver says a great deal about an outage that the relay reports once: its own words are for debugging. */
const forward = (run: (effect: Effect.Effect<void>) => void) => () => (entry: kafkajs.LogEntry) => {
  const { error } = entry.log as { error?: unknown }
  const words = typeof error === "string" && error !== "" ? error : entry.log.message
  run(
    Effect.logDebug(`kafkajs: ${words.slice(0, 200)}`).pipe(
      Effect.annotateLogs({ event: "KAFKAJS", namespace: entry.namespace })
    )
  )
}

/** A client of kafkajs with the settings that hold under faults; connects at the first call. */
export const make = (options: KafkaOptions): Effect.Effect<Client> =>
  Effect.map(
    Effect.context<never>(),
    (context) =>
      new kafkajs.Kafka({
        clientId: options.clientId,
        brokers: [...options.brokers],
        socketFactory: (given) => makeSocket(given).once("close", () => options.onConnectionClosed?.()),
        connectionTimeout: 3000,
        authenticationTimeout: 5000,
        requestTimeout: 5000,
        enforceRequestTimeout: true,
        // Each transaction meets CONCURRENT_TRANSACTIONS until the markers of the last one are written: the default of
        // 300 ms would allow ten transactions a second.
        retry: { initialRetryTime: 5, maxRetryTime: 300, retries: 8 },
        logLevel: kafkajs.logLevel.WARN,
        logCreator: forward((effect) => Effect.runForkWith(context)(effect)),
        ...(options.tls === true ? { ssl: options.ca === undefined ? true : { ca: [options.ca] } } : {}),
        ...(options.sasl === undefined
          ? {}
          : {
              sasl: {
                mechanism: options.sasl.mechanism,
                username: options.sasl.username,
                password: Redacted.value(options.sasl.password)
              } as SASLOptions
            })
      })
  )
