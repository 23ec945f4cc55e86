// A relay in a process of its own, for tests that kill it: DATABASE_URL, KAFKA_BROKERS and KAFKA_TOPIC_PREFIX say where.
import { Effect, Layer } from "effect"
import * as Relay from "../../../src/infra/kafka/Relay.ts"
import * as LogSignal from "../../../src/infra/postgres/LogSignal.ts"
import { databaseLayer, PACE } from "./Pace.ts"

const { DATABASE_URL = "", KAFKA_BROKERS = "", KAFKA_TOPIC_PREFIX = "" } = process.env

await Effect.runPromise(
  Layer.launch(
    Relay.layer({
      brokers: KAFKA_BROKERS.split(","),
      clientId: "relay-process",
      topicPrefix: KAFKA_TOPIC_PREFIX,
      // Small pages: many transactions to be killed in.
      pace: { ...PACE, pageRows: 40, transactionMs: 0 }
    }).pipe(Layer.provide(Layer.merge(databaseLayer(DATABASE_URL), LogSignal.layer)))
  )
)
