import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { guard } from "../src/infra/embedded/Guard.ts"

export const root = fileURLToPath(new URL("..", import.meta.url))
const bin = (name: string) => path.join(root, "node_modules", ".bin", name)
export const NODE = bin("node")
export const DENO = bin("deno")

/** What a child may see of our environment: where programs are, and the way out that package managers may need. */
export const baseEnvironment = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !/^(DATABASE_URL|KAFKA_|npm_)/.test(entry[0])
    )
  )

/** Programs under way: none outlives us. */
const underWay = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of underWay) child.kill("SIGKILL")
})

/** Runs a program to its end: its output. Fails with the last lines of what it said where it ends badly. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
    readonly input?: string
    readonly onError?: (text: string) => void
    readonly timeoutMs?: number
    /** Ends badly without a word of ours. */
    readonly anyCode?: boolean
  } = {}
) =>
  new Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>(
    (resolve, reject) => {
      const child = spawn(command, [...args], {
        cwd: options.cwd ?? root,
        env: { ...baseEnvironment(), ...options.env },
        stdio: ["pipe", "pipe", "pipe"],
        ...(options.timeoutMs === undefined
          ? {}
          : { timeout: options.timeoutMs, killSignal: "SIGKILL" as const })
      })
      const out: Array<Buffer> = []
      let err = ""
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk))
      child.stderr.on("data", (chunk: Buffer) => {
        err = (err + chunk.toString()).slice(-20_000)
        options.onError?.(chunk.toString())
      })
      child.on("error", reject)
      child.stdin.on("error", () => {})
      child.stdin.end(options.input ?? "")
      child.on("close", (code) => {
        const text = Buffer.concat(out).toString("utf8")
        if (code === 0 || options.anyCode === true) return resolve({ code, out: text, err })
        reject(
          new Error(`${path.basename(command)} ended with ${code}: ${(err || text).trim().slice(-1_500)}`)
        )
      })
    }
  )

/** A service as a process of its own. */
export interface Service {
  readonly pid: number
  /** What it said last. */
  readonly output: () => string
  readonly ended: Promise<void>
}

const tail = (file: string) => {
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
  return bytes.subarray(-4_000).toString("utf8")
}

/**
 * Starts a service in a process group of its own, so that all of it can be killed at once. Its words go to a file: reading
 * them here would cost time that is not the service's.
 */
export const launch = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly log: string
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
  }
): Service => {
  const log = openSync(options.log, "w", 0o600)
  const child = spawn(command, [...args], {
    cwd: options.cwd ?? root,
    env: { ...baseEnvironment(), ...options.env },
    stdio: ["ignore", log, log],
    detached: true
  })
  closeSync(log)
  guard(child.pid, [
    ["SIGTERM", 20_000],
    ["SIGKILL", 5_000]
  ])
  let reason = ""
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve())
    child.once("error", (error) => {
      reason = error.message
      resolve()
    })
  })
  return { pid: child.pid ?? -1, output: () => tail(options.log) + reason, ended }
}

/** Every process of the service at once, by a signal. */
export const signal = (service: Service, name: NodeJS.Signals) => {
  if (service.pid <= 1) return
  try {
    process.kill(-service.pid, name)
  } catch {
    // gone already
  }
}

/** An orderly end, by force after a while. */
export const end = async (service: Service, graceMs = 20_000) => {
  signal(service, "SIGTERM")
  const force = setTimeout(() => signal(service, "SIGKILL"), graceMs)
  await service.ended
  clearTimeout(force)
  signal(service, "SIGKILL") // what a wrapper left behind
}

/** Waits until `look` finds something; fails when the service ended, or after the time. */
export const until = async <A>(
  service: Service,
  limitMs: number,
  look: () => Promise<A | undefined> | A | undefined
): Promise<A> => {
  const limit = Date.now() + limitMs
  let isEnded = false
  void service.ended.then(() => {
    isEnded = true
  })
  while (true) {
    const found = await look()
    if (found !== undefined) return found
    if (isEnded) throw new Error(`ended while starting: ${service.output().trim().slice(-1_500)}`)
    if (Date.now() > limit)
      throw new Error(`not ready after ${limitMs} ms: ${service.output().trim().slice(-1_500)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** True when an HTTP request to it gets any answer below 500. */
export const answersAt = (url: string) =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer()
      return response.status < 500 ? true : undefined
    },
    () => undefined
  )
