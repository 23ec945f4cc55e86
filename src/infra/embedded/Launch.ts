import { spawn } from "node:child_process"
import { closeSync, existsSync, openSync, renameSync } from "node:fs"
import { Effect } from "effect"
import { guard } from "./Guard.ts"
import { find, type LocalProcess, type Steps } from "./LocalProcess.ts"

/**
 * Starts a server in a process group of its own, so that the terminal's Ctrl-C reaches only us and we decide the order
 * in which things stop. Its output goes straight to a file: a pipe would break when we are killed, and the server with
 * it. Where we are killed, it is stopped for us. The log of the start before is kept as `.old`.
 */
export const launch = (options: {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly log: string
  /** How it is stopped. */
  readonly stop: Steps
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
      guard(child.pid!, options.stop)
      resume(Effect.succeed(find(child.pid!) ?? { pid: child.pid!, started: "already gone" }))
    })
  })
