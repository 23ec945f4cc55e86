import { connect } from "node:net"
import { Effect } from "effect"
import * as EmbeddedKafka from "./EmbeddedKafka.ts"
import { keep } from "./Kept.ts"

const CONNECT_MS = 2_000

const answers = (broker: string) =>
  Effect.callback<boolean>((resume) => {
    const at = broker.lastIndexOf(":")
    const socket = connect({
      host: broker.slice(0, at),
      port: Number(broker.slice(at + 1)),
      timeout: CONNECT_MS
    })
    const say = (answer: boolean) => {
      socket.destroy()
      resume(Effect.succeed(answer))
    }
    socket.on("connect", () => say(true))
    socket.on("timeout", () => say(false))
    socket.on("error", () => say(false))
  })

/** Starts Kafka, and starts it again, for as long as it takes, whenever nobody answers at its port. */
export const start = Effect.fnUntraced(function* (options: Parameters<typeof EmbeddedKafka.start>[0]) {
  const { first, tend } = yield* keep({
    name: "Kafka",
    start: EmbeddedKafka.start(options),
    isUp: ({ brokers }) => answers(brokers[0]!)
  })
  const patient = Effect.catchTag(tend, "KafkaUnavailable", (error) => Effect.logWarning(error.message))
  yield* Effect.forkScoped(Effect.forever(patient))
  return first
})
