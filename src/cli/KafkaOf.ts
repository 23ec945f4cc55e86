import { Effect } from "effect"
import { readKafka } from "../infra/config/Settings.ts"
import { hintOf } from "../infra/kafka/KafkaFailed.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { devFile } from "./DevService.ts"

/** How Kafka is reached: as the environment says, else as a running `npm start` does, where that is the database too. */
export const kafkaOf = Effect.fnUntraced(function* (dataDir: string, from: "environment" | "dev") {
  const dev = from === "dev" ? yield* devFile(dataDir) : undefined
  const brokers = dev?.kafka_brokers?.join(",") ?? ""
  return yield* Effect.try({
    try: () => readKafka({ ...(brokers === "" ? {} : { KAFKA_BROKERS: brokers }), ...process.env }),
    catch: (error) => new CommandFailed({ message: (error as Error).message })
  })
})

/** The same, for commands that are nothing without it. */
export const neededKafkaOf = Effect.fnUntraced(function* (dataDir: string, from: "environment" | "dev") {
  const kafka = yield* kafkaOf(dataDir, from)
  if (kafka === null)
    return yield* new CommandFailed({
      message: "KAFKA_BROKERS is required: host:port, or several with commas"
    })
  return kafka
})

/** What Kafka answered, as one line. */
export const kafkaTrouble = ({ code, operation }: { readonly code: string; readonly operation: string }) =>
  new CommandFailed({
    message:
      hintOf(code) === ""
        ? `Kafka cannot be used (${operation}: ${code}): check KAFKA_BROKERS and that it runs`
        : `Kafka cannot be used: ${code}${hintOf(code)}`
  })
