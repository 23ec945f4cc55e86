// A relay in a process of its own. STOP_AT names a failpoint at which it stops itself (SIGSTOP), the first time that the
// file STOP_WHEN is there; its log lines go to standard output.
import { existsSync, rmSync } from "node:fs"
import { Effect, Layer, Logger } from "effect"
import { Failpoints } from "../../src/domain/Failpoint.ts"
import * as Relay from "../../src/infra/kafka/Relay.ts"
import * as LogSignal from "../../src/infra/postgres/LogSignal.ts"
import { databaseLayer, PACE } from "../infra/kafka/Pace.ts"

const {
  DATABASE_URL = "",
  KAFKA_BROKERS = "",
  KAFKA_TOPIC_PREFIX = "",
  STOP_AT = "",
  STOP_WHEN = ""
} = process.env

const relay = Relay.layer({
  brokers: KAFKA_BROKERS.split(","),
  clientId: "relay-fire",
  topicPrefix: KAFKA_TOPIC_PREFIX,
  pace: PACE
}).pipe(
  Layer.provide(Layer.merge(databaseLayer(DATABASE_URL), LogSignal.layer)),
  Layer.provide(Logger.layer([Logger.formatJson.pipe(Logger.withConsoleLog)]))
)

await Effect.runPromise(
  Effect.provideService(Layer.launch(relay), Failpoints, (name) =>
    Effect.sync(() => {
      if (name !== STOP_AT || !existsSync(STOP_WHEN)) return
      rmSync(STOP_WHEN)
      process.kill(process.pid, "SIGSTOP")
    })
  )
)
