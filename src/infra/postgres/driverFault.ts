import { frames } from "../telemetry/frames.ts"

/**
 * When the server dies under load, postgres.js can throw outside of any promise: a TypeError from its connection.js,
 * writing to a socket that is gone. The connection is lost anyway and the query has a time limit of its own; ending the
 * process would only add to the outage. Nothing but this error, and that of a socket nobody listens to, is let pass.
 */
export const isDriverFault = (error: unknown) =>
  error instanceof Error &&
  ((error instanceof TypeError &&
    /[\\/]postgres[\\/](src|cjs[\\/]src)[\\/]connection\.js/.test(error.stack ?? "")) ||
    isLostSocket(error))

/** While the server is away, a driver can let go of a socket that is still connecting: its refusal then finds no listener. */
const isLostSocket = ({ code, syscall }: NodeJS.ErrnoException) =>
  (syscall === "connect" || syscall === "read" || syscall === "write") &&
  ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT"].includes(code ?? "")

/** Keeps the process alive through the driver's fault; any other uncaught error ends it as before. */
export const tolerate = (report: () => void) =>
  process.on("uncaughtException", (error) => {
    if (isDriverFault(error)) return report()
    process.stderr.write(
      `oncegate: an uncaught ${error.name} (${String((error as NodeJS.ErrnoException).code)}) ends the process\n${frames(error).join("\n")}\n`
    )
    process.exit(70)
  })
