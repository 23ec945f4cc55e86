// A relay in a process of its own, to be killed. DATABASE_URL, KAFKA_BROKERS and KAFKA_TOPIC_PREFIX say where, PROXY
// through what.
import "../support/throughProxy.ts"
import { Effect, Layer, Logger, Redacted } from "effect"
import * as Relay from "../../src/infra/kafka/Relay.ts"
import * as Database from "../../src/infra/postgres/Database.ts"
import * as LogSignal from "../../src/infra/postgres/LogSignal.ts"

const { DATABASE_URL = "", KAFKA_BROKERS = "", KAFKA_TOPIC_PREFIX = "" } = process.env

const database = Database.layer({
  url: Redacted.make(DATABASE_URL),
  claimConnections: 1,
  completionConnections: 1,
  statementTimeoutMs: 10_000
})

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
        backoffMs: [20, 300],
        alarmMs: 500,
        recheckMs: 200,
        idleMs: 50
      }
    }).pipe(
      Layer.provide(Layer.merge(database, LogSignal.layer)),
      Layer.provide(Logger.layer([Logger.formatJson.pipe(Logger.withConsoleLog)]))
    )
  )
)
