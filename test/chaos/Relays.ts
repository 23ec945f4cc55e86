import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { ControlName } from "./controls.ts"

const SCRIPT = fileURLToPath(new URL("relay-process.ts", import.meta.url))
const MUTATE = new URL("mutate.ts", import.meta.url).href
const isDeno = "Deno" in globalThis

/** Relays in processes of their own, always as many as were asked for; what they complain about is counted. */
export const startRelays = (
  env: Readonly<Record<string, string>>,
  count: number,
  control: ControlName | undefined
) => {
  const troubles = new Map<string, number>()
  const flags = control === undefined ? [] : ["--import", MUTATE]
  const running: Array<ChildProcess> = []
  let ending = false
  let died: string | undefined

  const start = () => {
    const child = spawn(process.execPath, [...(isDeno ? ["run", "-A"] : flags), SCRIPT], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env, ...(control === undefined ? {} : { CONTROL: control }) }
    })
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const code =
        /"event":"(?:ALARM|RELAY_TROUBLE)".*?"code":"(\w+)"|"code":"(\w+)".*?"event":"(?:ALARM|RELAY_TROUBLE)"/.exec(
          line
        )
      const name = code?.[1] ?? code?.[2]
      if (name !== undefined) troubles.set(name, (troubles.get(name) ?? 0) + 1)
      if (process.env.CHAOS_LOG) process.stderr.write(`${line}\n`)
    })
    child.once("exit", (status) => {
      if (!ending && status !== null) died = `a relay ended by itself with ${status}`
    })
    running.push(child)
  }
  const kill = (child: ChildProcess) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once("exit", () => resolve())
      child.kill("SIGKILL")
    })

  for (let n = 0; n < count; n++) start()
  return {
    troubles,
    /** Kills one of them and starts another. */
    killOne: async (index: number) => {
      const [child] = running.splice(index % running.length, 1)
      await kill(child!)
      start()
    },
    killAll: async () => {
      await Promise.all(running.splice(0).map(kill))
      for (let n = 0; n < count; n++) start()
    },
    check: () => {
      if (died !== undefined) throw new Error(died)
    },
    stop: async () => {
      ending = true
      await Promise.all(running.map(kill))
    }
  }
}
export type Relays = ReturnType<typeof startRelays>
