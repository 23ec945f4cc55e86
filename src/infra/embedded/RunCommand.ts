import { spawn } from "node:child_process"
import { type Duration, Effect } from "effect"

/** How a command ended: its exit code (`undefined` when it did not start or was ended) and all it printed. */
export interface Outcome {
  readonly code: number | undefined
  readonly output: string
}

/** Runs a command to its end and keeps what it prints. It never fails; on interruption or time-out it is ended. */
export const runCommand = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly timeout: Duration.Input
    readonly env?: Readonly<Record<string, string | undefined>>
    readonly user?: { readonly uid: number; readonly gid: number } | undefined
  }
): Effect.Effect<Outcome> =>
  Effect.callback<Outcome>((resume) => {
    const child = spawn(command, [...args], {
      cwd: "/",
      // Its own group: what the command started in turn must end with it, and Ctrl-C must not come from two sides.
      detached: true,
      env: { ...(options.env ?? process.env) },
      stdio: ["ignore", "pipe", "pipe"],
      ...options.user
    })
    let output = ""
    child.stdout.on("data", (chunk) => {
      output += chunk
    })
    child.stderr.on("data", (chunk) => {
      output += chunk
    })
    child.once("error", (error) => resume(Effect.succeed({ code: undefined, output: error.message })))
    child.once("close", (code) => resume(Effect.succeed({ code: code ?? undefined, output: output.trim() })))
    return Effect.sync(() => {
      try {
        if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL")
      } catch {
        // It ended by itself in the meantime.
      }
    })
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.timeout,
      orElse: () => Effect.succeed({ code: undefined, output: `${command} took too long` })
    })
  )
