import { type ChildProcess, spawn } from "node:child_process"
import path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
const isDeno = "Deno" in globalThis

const runtime = isDeno ? ["run", "-A"] : []

/** A command of `oncegate`, to its end. */
export const command = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>>) =>
  new Promise<{ readonly code: number | null; readonly output: string }>((resolve) => {
    const child = spawn(process.execPath, [...runtime, path.join(root, "src", "main.ts"), ...args], {
      cwd: root,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString()
      })
    child.on("close", (code) => resolve({ code, output }))
  })

/** Characters of a gate's output that are kept: the last ones. */
const KEPT = 8_000_000

export interface Serving {
  readonly child: ChildProcess
  readonly url: string
  /** What it printed so far, both streams. */
  readonly output: () => string
}

/** `serve` as a process of its own, on the runtime that runs the tests, ready for webhooks. */
export const serve = (
  environment: Readonly<Record<string, string>>,
  entry = path.join("src", "main.ts"),
  flags: ReadonlyArray<string> = []
) =>
  new Promise<Serving>((resolve, reject) => {
    const main = path.join(root, entry)
    const child = spawn(process.execPath, [...runtime, main, "serve", ...flags], {
      cwd: root,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...environment },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    let isReady = false
    const look = (chunk: Buffer) => {
      output += chunk.toString()
      if (output.length > KEPT) output = output.slice(-KEPT / 2)
      if (isReady) return
      const line = output.split("\n").find((one) => one.includes('"SERVICE_STARTED"') && one.endsWith("}"))
      if (line === undefined) return
      isReady = true
      resolve({ child, url: (JSON.parse(line) as { ingress: string }).ingress, output: () => output })
    }
    child.stdout.on("data", look)
    child.stderr.on("data", look)
    child.on("exit", (code) => reject(new Error(`serve ended with ${code}: ${output.slice(-2_000)}`)))
  })

/** The exit code, or null where a signal ended it. */
export const ended = (child: ChildProcess) =>
  new Promise<number | null>((resolve) =>
    child.exitCode !== null || child.signalCode !== null
      ? resolve(child.exitCode)
      : child.once("exit", resolve)
  )
