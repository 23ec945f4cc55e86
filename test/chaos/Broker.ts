import { readFileSync } from "node:fs"
import path from "node:path"
import { Effect, Exit, Scope } from "effect"
import * as EmbeddedKafka from "../../src/infra/embedded/EmbeddedKafka.ts"

/** A real broker that can be killed and started again on the same port, with the data that it had. */
export const startBroker = async (folder: string) => {
  const start = async () => {
    const scope = Effect.runSync(Scope.make())
    const { brokers } = await Effect.runPromise(
      EmbeddedKafka.start({ folder, ways: ["jars"] }).pipe(Scope.provide(scope))
    )
    return { scope, address: brokers[0]! }
  }
  let running = await start()
  const port = Number(running.address.split(":")[1])
  const stop = () => Effect.runPromise(Scope.close(running.scope, Exit.void))
  return {
    address: running.address,
    port,
    /** SIGKILL, then a new start. */
    killAndRestart: async () => {
      process.kill(Number(readFileSync(path.join(folder, "pid"), "utf8")), "SIGKILL")
      await stop()
      running = await start()
      if (running.address !== `127.0.0.1:${port}`) throw new Error("the broker came back elsewhere")
    },
    stop
  }
}
export type Broker = Awaited<ReturnType<typeof startBroker>>
