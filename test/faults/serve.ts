import "../support/throughProxy.ts"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { options, run } from "../../src/cli/oncegate.ts"
import { type FailpointName, Failpoints, names, others } from "../../src/domain/Failpoint.ts"

/**
 * The command line with one failpoint armed: `FAILPOINT=name:action:hit`, where action is `kill`, `stop`, `throw` or
 * `delay-MS`, and hit says at which passage (once). `CLOCK_OFFSET_MS` sets this process's clock wrong; `PROXY` leads it to its
 * broker through a proxy.
 */
const armed = (text: string) => {
  const [name, action, hit] = text.split(":") as [FailpointName, string, string]
  if (![...names, ...others].includes(name)) throw new Error(`there is no failpoint ${name}`)
  let passed = 0
  return (at: FailpointName): Effect.Effect<void> => {
    if (at !== name) return Effect.void
    passed += 1
    if (passed !== Number(hit)) return Effect.void
    process.stderr.write(`FAILPOINT ${text}\n`)
    if (action === "kill" || action === "stop")
      return Effect.sync(() => void process.kill(process.pid, action === "kill" ? "SIGKILL" : "SIGSTOP"))
    return action === "throw"
      ? Effect.die(new Error("failpoint"))
      : Effect.sleep(Number(action.slice("delay-".length)))
  }
}

const offset = Number(process.env.CLOCK_OFFSET_MS ?? 0)
if (offset !== 0) {
  const RealDate = Date
  const now = () => RealDate.now() + offset
  class WrongDate extends RealDate {
    constructor(...given: ReadonlyArray<unknown>) {
      super(...((given.length === 0 ? [now()] : given) as [number]))
    }
    static override now() {
      return now()
    }
  }
  globalThis.Date = WrongDate as DateConstructor
}

const failpoint = process.env.FAILPOINT
NodeRuntime.runMain(
  failpoint === undefined ? run() : Effect.provideService(run(), Failpoints, armed(failpoint)),
  options
)
