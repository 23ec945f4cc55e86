// A relay in a process of its own, to be killed. DATABASE_URL, KAFKA_BROKERS and KAFKA_TOPIC_PREFIX say where, PROXY
// through what.
import "../support/throughProxy.ts"
import { Effect, Layer, Logger } from "effect"
import * as Relay from "../../src/infra/kafka/Relay.ts"
import * as LogSignal from "../../src/infra/postgres/LogSignal.ts"
import { databaseLayer } from "../infra/kafka/Pace.ts"

const { DATABASE_URL = "", KAFKA_BROKERS = "", KAFKA_TOPIC_PREFIX = "" } = process.env

await Effect.runPromise(
  Layer.launch(
    Relay.layer({
      brokers: KAFKA_BROKERS.split(","),
      clientId: "relay-chaos",
      topicPrefix: KAFKA_TOPIC_PREFIX,
      // Small pages make many transactions to be hit in; a standby that looks often meets its predecessor's last one.
      pace: {
        pageRows: 40,
        transactionMs: 0,
        leaderMs: 20,
        patienceMs: 1000,
        unendedMs: 2000,
        backoffMs: [20, 300],
        alarmMs: 500,
        recheckMs: 200,
        idleMs: 50
      }
    }).pipe(
      Layer.provide(Layer.merge(databaseLayer(DATABASE_URL, 1), LogSignal.layer)),
      Layer.provide(Logger.layer([Logger.formatJson.pipe(Logger.withConsoleLog)]))
    )
  )
)
