import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { ended } from "../support/ServeProcess.ts"

const SCRIPT = fileURLToPath(new URL("consumer.ts", import.meta.url))

/** Ledgers in one consumer group, each a process, with their tables in a schema of their own. */
export const startConsumers = Effect.fnUntraced(function* (
  count: number,
  environment: {
    readonly DATABASE_URL: string
    readonly KAFKA_BROKERS: string
    readonly KAFKA_TOPIC_PREFIX: string
  }
) {
  const nameOf = (index: number) => `consumer ${index + 1}`
  let output = ""
  const start = (index: number, ...args: ReadonlyArray<string>): ChildProcess => {
    const child = spawn(process.execPath, ["--conditions=oncegate-source", SCRIPT, ...args], {
      env: {
        PATH: process.env.PATH ?? "",
        HOME: process.env.HOME ?? "",
        ...environment,
        NAME: nameOf(index)
      },
      stdio: ["pipe", "pipe", "pipe"]
    })
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-100_000)
      })
    return child
  }
  if ((yield* Effect.promise(() => ended(start(0, "tables")))) !== 0)
    return yield* Effect.die(new Error(`the ledger's tables: ${output}`))
  const running = Array.from({ length: count }, (_, index) => start(index))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const child of running) child.kill("SIGKILL")
    })
  )
  return {
    nameOf,
    restart: async (index: number) => {
      running[index]!.kill("SIGKILL")
      await ended(running[index]!)
      running[index] = start(index)
    },
    died: () => running.filter(({ exitCode }) => exitCode !== null).length,
    output: () => output
  }
})
