import { connect } from "node:net"
import { Effect, Exit, Scope } from "effect"
import * as EmbeddedKafka from "./EmbeddedKafka.ts"

const LOOK_MS = 2_000
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

/**
 * Starts Kafka, and starts it again, on its data and port, whenever it is found gone: whoever tries the service out may
 * kill the broker and see what happens.
 */
export const start = Effect.fnUntraced(function* (options: Parameters<typeof EmbeddedKafka.start>[0]) {
  let scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Effect.suspend(() => Scope.close(scope, Exit.void)))
  const up = Effect.suspend(() => Scope.provide(EmbeddedKafka.start(options), scope))
  const started = yield* up
  const tend = Effect.gen(function* () {
    yield* Effect.sleep(LOOK_MS)
    if (yield* answers(started.brokers[0]!)) return
    yield* Effect.logWarning("Kafka is gone: it is started again")
    yield* Scope.close(scope, Exit.void)
    scope = yield* Scope.make()
    yield* up
    yield* Effect.logInfo("Kafka is back")
  }).pipe(Effect.catchTag("KafkaUnavailable", (error) => Effect.logWarning(error.message)))
  yield* Effect.forkScoped(Effect.forever(tend))
  return started
})
