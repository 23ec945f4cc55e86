// The simulated providers' APIs, as a process of their own: Toss's re-query, PayPal's certificate. Ends with its input.
import { Effect } from "effect"
import * as SimulatorServer from "../src/infra/simulator/SimulatorServer.ts"

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const simulator = yield* SimulatorServer.start({ stateDir: process.argv[2]! })
      process.stdout.write(`${JSON.stringify(simulator)}\n`)
      yield* Effect.callback<void>((resume) => {
        process.stdin.on("end", () => resume(Effect.void)).resume()
      })
    })
  )
)
process.exit(0)
