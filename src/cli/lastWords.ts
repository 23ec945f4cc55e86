import { frames } from "../infra/telemetry/frames.ts"

/** An uncaught error ends the process, named by class and code: its message could hold what no log may. */
export const lastWords = () =>
  process.on("uncaughtException", (error) => {
    process.stderr.write(
      `oncegate: an uncaught ${error.name} (${String((error as NodeJS.ErrnoException).code)}) ends the process\n${frames(error).join("\n")}\n`
    )
    process.exit(70)
  })
