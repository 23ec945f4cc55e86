import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"

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

/** Signals in turn, each with the milliseconds that it is given. */
export type Steps = ReadonlyArray<readonly [signal: NodeJS.Signals, waitMs: number]>

/** Sends each signal in turn until the process is gone. */
export const stop = async (process: LocalProcess, steps: Steps) => {
  for (const [signal, waitMs] of steps) {
    if (!isRunning(process)) return
    try {
      globalThis.process.kill(process.pid, signal)
    } catch {
      // It ended by itself in the meantime.
    }
    const limit = performance.now() + waitMs
    while (isRunning(process) && performance.now() < limit) await pause(20)
  }
}
