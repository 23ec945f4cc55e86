import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import { Absent } from "./Contestant.ts"
import * as Pgbench from "./contestants/Pgbench.ts"
import type { Ground } from "./Ground.ts"
import * as Ledger from "./Ledger.ts"
import type { Measured } from "./Measured.ts"
import { runKill } from "./runKill.ts"
import { portionsOf, runLoad } from "./runLoad.ts"
import { loadOf, runOutage } from "./runOutage.ts"
import type { Cell } from "./Scenario.ts"
import type { Settings } from "./Settings.ts"

const broken = (error: unknown): Omit<Measured, "round"> => ({
  isRight: false,
  remarks: [`broke off: ${error instanceof Error ? error.message : String(error)}`.slice(0, 1_000)]
})

/** Measures one cell once, on a database and topics of its own; everything it started is gone afterwards. */
export const runCell = Effect.fnUntraced(
  function* (ground: Ground, cell: Cell, settings: Settings) {
    if (cell.kind === "pgbench") return yield* pgbench(ground, cell.clients, settings)
    const prefix = `bench-${randomBytes(5).toString("hex")}.`
    yield* Effect.addFinalizer(() => Effect.promise(() => Ledger.dropTopics(ground, prefix).catch(() => {})))
    if (cell.kind === "outage" && ground.kafka === undefined)
      return yield* new Absent({ message: "the Kafka of KAFKA_BROKERS is not ours to stop" })
    const spec =
      cell.kind === "load" ? cell.load : cell.kind === "outage" ? loadOf(cell.load, settings) : undefined
    const portions = spec === undefined ? [] : yield* Effect.promise(() => portionsOf(ground, spec, settings))
    const running = yield* cell.contestant.start(ground, prefix)
    return yield* Effect.tryPromise({
      try: async (): Promise<Omit<Measured, "round">> => {
        if (cell.kind === "load") return runLoad(ground, running, cell, portions, settings)
        if (cell.kind === "outage") return runOutage(ground, running, cell, portions, settings)
        if (cell.kind === "kill") return runKill(ground, running, cell)
        return { isRight: true, remarks: [], readyMs: running.readyMs }
      },
      catch: (error) => error
    }).pipe(Effect.catch((error) => Effect.succeed(broken(error))))
  },
  Effect.scoped,
  (self) => Effect.catchDefect(self, (error) => Effect.succeed(broken(error)))
) as (ground: Ground, cell: Cell, settings: Settings) => Effect.Effect<Omit<Measured, "round">, Absent>

const pgbench = (ground: Ground, clients: number, settings: Settings) =>
  Effect.map(
    Pgbench.measure(ground, { clients, warmup: settings.warmup, seconds: settings.seconds }),
    ({ isClean, text, ...figures }): Omit<Measured, "round"> => ({
      ...figures,
      seconds: settings.seconds,
      isRight: isClean,
      remarks: isClean ? [] : [text]
    })
  )
