/** What an error says about whose fault it is. */
export type Fault =
  /** The database cannot serve now: nothing is counted, the consumer pauses. */
  | "away"
  /** Undone by the server for reasons of concurrency: tried again, not counted. */
  | "repeat"
  /** Of the record or its handler. */
  | "record"

/** Connection, resources, operator, authorization, system: classes 08, 53, 57P, 28, 58; read only, no such database. */
const AWAY = /^(08...|53...|57P..|28...|58...|25006|3D000)$/
/** Serialization failure and deadlock, lock not available. */
const REPEAT = /^(40...|55P03)$/

/** Looks through wrapped errors for what the driver said. */
export const faultOf = (error: unknown, depth = 0): Fault => {
  if (typeof error !== "object" || error === null || depth > 5) return "record"
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  if (typeof code === "string") {
    // CONNECTION_CLOSED and its like are the driver's; ECONNREFUSED could be anyone's, and is not taken for it.
    if (AWAY.test(code) || code.startsWith("CONNECTION_") || code === "CONNECT_TIMEOUT") return "away"
    if (REPEAT.test(code)) return "repeat"
  }
  return faultOf(cause, depth + 1)
}
