import { type ChildProcess, spawn } from "node:child_process"
import type { Socket } from "node:net"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { find, type Steps } from "./LocalProcess.ts"

const here = fileURLToPath(import.meta.url)
const main = path.join(path.dirname(here), `GuardMain${path.extname(here)}`)

let guardian: ChildProcess | undefined

/** In a session of its own: what ends us, a closed terminal too, must not end it. It holds nobody from ending. */
const start = () => {
  const child = spawn(process.execPath, "Deno" in globalThis ? ["run", "-A", main] : [main], {
    cwd: "/",
    detached: true,
    env: { PATH: process.env.PATH },
    stdio: ["pipe", "ignore", "ignore"]
  })
  child.unref()
  ;(child.stdin as Socket | undefined)?.unref()
  child.stdin?.on("error", () => {})
  child.on("error", () => {})
  child.once("exit", () => {
    guardian = undefined
  })
  return child
}

/**
 * Has process `pid`, which we started (none where it did not start), stopped when we are gone, however we went: another
 * process hears of it through a pipe, and the kernel closes our end of that.
 */
export const guard = (pid: number | undefined, steps: Steps) => {
  const process = pid === undefined ? undefined : find(pid)
  if (process === undefined) return
  guardian ??= start()
  guardian.stdin?.write(`${JSON.stringify({ process, steps })}\n`)
}

/** The process that guards; undefined while there is nothing to guard. */
export const guardPid = () => guardian?.pid
