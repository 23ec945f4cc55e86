import { spawn, spawnSync } from "node:child_process"
import { closeSync, existsSync, openSync, readFileSync, renameSync } from "node:fs"
import { type Duration, Effect, Schedule } from "effect"

/** A process that cannot be mistaken for a later one with the same number. */
export interface LocalProcess {
  readonly pid: number
  readonly started: string
}

/** When process `pid` started, in the system's own words; `undefined` when there is none. A zombie is none. */
export const startOf = (pid: number): string | undefined => {
  if (existsSync("/proc/self/stat")) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      // The name, in parentheses, may itself hold spaces and parentheses: count from the last one.
      const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return state === "Z" || state === "X" ? undefined : rest[18]
    } catch {
      return undefined
    }
  }
  const [state, ...start] = ps(pid, "state=,lstart=").split(/\s+/)
  return state === "" || state?.startsWith("Z") ? undefined : start.join(" ")
}

/** The command line of process `pid`, empty when there is none. */
export const commandLine = (pid: number): string => {
  if (!existsSync("/proc/self/cmdline")) return ps(pid, "args=")
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
  } catch {
    return ""
  }
}

const ps = (pid: number, columns: string) =>
  (spawnSync("ps", ["-o", columns, "-p", String(pid)], { encoding: "utf8" }).stdout ?? "").trim()

/** Process `pid`, if it runs. */
export const find = (pid: number): LocalProcess | undefined => {
  const started = Number.isSafeInteger(pid) && pid > 0 ? startOf(pid) : undefined
  return started === undefined ? undefined : { pid, started }
}

export const isRunning = (process: LocalProcess) => startOf(process.pid) === process.started

/**
 * Starts a server in a process group of its own, so that the terminal's Ctrl-C reaches only us and we decide the order
 * in which things stop. Its output goes straight to a file: a pipe would break when we are killed, and the server with
 * it. The log of the start before is kept as `.old`.
 */
export const launch = (options: {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly log: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
}) =>
  Effect.callback<LocalProcess, Error>((resume) => {
    let output: number
    try {
      if (existsSync(options.log)) renameSync(options.log, `${options.log}.old`)
      output = openSync(options.log, "a")
    } catch (error) {
      return resume(Effect.fail(error as Error))
    }
    const child = spawn(options.command, [...options.args], {
      cwd: "/",
      detached: true,
      env: { ...options.env },
      stdio: ["ignore", output, output],
      ...options.user
    })
    closeSync(output)
    child.once("error", (error) => resume(Effect.fail(error)))
    child.once("spawn", () => {
      child.unref()
      const started = startOf(child.pid!)
      resume(Effect.succeed({ pid: child.pid!, started: started ?? "already gone" }))
    })
  })

/** Sends each signal in turn until the process is gone, giving it the time that stands beside the signal. */
export const stop = Effect.fnUntraced(function* (
  process: LocalProcess,
  steps: ReadonlyArray<readonly [signal: NodeJS.Signals, wait: Duration.Input]>
) {
  const gone = Effect.sync(() => !isRunning(process)).pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: (done) => done })
  )
  for (const [signal, wait] of steps) {
    if (!isRunning(process)) return
    yield* Effect.ignore(Effect.try(() => globalThis.process.kill(process.pid, signal)))
    yield* Effect.timeoutOption(gone, wait)
  }
})
