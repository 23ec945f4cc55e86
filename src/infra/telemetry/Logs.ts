import { type Cause, Layer, Logger, type LogLevel, References } from "effect"
import { frames } from "./frames.ts"

/** What a cause may say in a log: tags, codes, class names, places in the code. Never a message of somebody else. */
const describe = (cause: Cause.Cause<unknown>) =>
  cause.reasons.map((reason) => {
    if (reason._tag === "Interrupt") return { kind: "interrupt" }
    const error = reason._tag === "Fail" ? reason.error : reason.defect
    const { _tag, code, name } = (error ?? {}) as Record<string, unknown>
    return {
      kind: reason._tag.toLowerCase(),
      error: typeof _tag === "string" ? _tag : typeof name === "string" ? name : typeof error,
      ...(typeof code === "string" && /^[A-Za-z0-9_]{1,60}$/.test(code) ? { code } : {}),
      ...(reason._tag === "Die"
        ? {
            at: frames(error)
              .slice(0, 8)
              .map((line) => line.trim())
          }
        : {})
    }
  })

const text = (message: unknown) =>
  (Array.isArray(message) ? message : [message])
    .map((part) => (typeof part === "string" ? part : typeof part))
    .join(" ")

const record = (options: Logger.Options<unknown>) => ({
  timestamp: options.date.toISOString(),
  level: options.logLevel.toLowerCase(),
  message: text(options.message),
  ...options.fiber.getRef(References.CurrentLogAnnotations),
  ...(options.cause.reasons.length > 0 ? { cause: describe(options.cause) } : {})
})

/** Lines of one turn of the event loop leave in one write. */
const buffered = (write: (text: string) => void) => {
  let lines: Array<string> = []
  return (line: string) => {
    if (lines.push(line) === 1)
      setImmediate(() => {
        const all = lines
        lines = []
        write(`${all.join("\n")}\n`)
      })
  }
}

const COLOURS: Record<string, string> = {
  warn: "\u001b[33m",
  error: "\u001b[31m",
  fatal: "\u001b[31m",
  debug: "\u001b[2m"
}

const pretty = (options: Logger.Options<unknown>) => {
  const { timestamp, level, message, ...rest } = record(options)
  const details = Object.entries(rest)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ")
  return `\u001b[2m${timestamp.slice(11, 23)}\u001b[0m ${COLOURS[level] ?? ""}${level.padEnd(5)}\u001b[0m ${message} \u001b[2m${details}\u001b[0m`
}

/** Structured logs to standard output, or wherever `write` leads. */
export const layer = (options: {
  readonly format: "json" | "pretty"
  readonly level: LogLevel.LogLevel
  /** Standard output unless given. */
  readonly write?: (text: string) => void
  /** A second place, always JSON: the log file of `npm start`. */
  readonly copy?: (text: string) => void
}) => {
  const write = buffered(options.write ?? ((text) => void process.stdout.write(text)))
  const first = Logger.make<unknown, void>((entry) =>
    write(options.format === "json" ? JSON.stringify(record(entry)) : pretty(entry))
  )
  const copy = options.copy === undefined ? undefined : buffered(options.copy)
  const second = copy && Logger.make<unknown, void>((entry) => copy(JSON.stringify(record(entry))))
  return Layer.merge(
    Logger.layer(second === undefined ? [first] : [first, second]),
    Layer.succeed(References.MinimumLogLevel, options.level)
  )
}
