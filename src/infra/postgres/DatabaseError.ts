import { Schema } from "effect"
import { tlsFault } from "../tls/TlsFault.ts"

/**
 * What became of a statement that did not succeed, and so what the caller can do:
 * - `repeat`: certainly undone by the server (deadlock, unseen row): the same statement may be sent again at once
 * - `ambiguous`: the reply is lost, the statement may have committed: only its token or fence can tell
 * - `data`: undone because of one of its values: a group is repeated row by row
 * - `unavailable`: not executed, or undone; the database cannot serve now
 */
export type Fate = "repeat" | "ambiguous" | "data" | "unavailable"

/** The only form in which a driver's error leaves the database layer: ids and codes, no text, no parameter. */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  statement: Schema.String,
  fate: Schema.Literals(["repeat", "ambiguous", "data", "unavailable"]),
  /** SQLSTATE, or the driver's code. */
  code: Schema.String,
  constraint: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return `${this.statement}: ${this.code}`
  }
}

const AMBIGUOUS: ReadonlySet<string> = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "CLIENT_TIMEOUT",
  "57P01",
  "57P02",
  "08006",
  "08003",
  "40003"
])
const REPEAT: ReadonlySet<string> = new Set(["40P01", "40001", "OG001"])
/** 22 data exception, 23 integrity, 54 limit exceeded: the fault of a value. */
const DATA = /^(22|23|54)/

const fateOf = (code: string): Fate =>
  REPEAT.has(code) ? "repeat" : AMBIGUOUS.has(code) ? "ambiguous" : DATA.test(code) ? "data" : "unavailable"

/** The server refuses to write: of a list of hosts it may be a standby, and the primary another one. */
const READ_ONLY = "25006"

/** The server answered with an error and goes on serving the connection; after any other failure it is not believed. */
export const isOrdinary = (thrown: unknown) => {
  const { code, name, severity } = (thrown ?? {}) as { code?: unknown; name?: unknown; severity?: unknown }
  return name === "PostgresError" && severity === "ERROR" && code !== READ_ONLY
}

/** There was no reply in time, or no greeting: who asks at once will wait as long. */
export const isSilence = ({ code }: DatabaseError) => code === "CLIENT_TIMEOUT" || code === "CONNECT_TIMEOUT"

/** Maps whatever the driver threw; called nowhere but here and in Database.ts. */
export const fromDriver = (statement: string, thrown: unknown) => {
  const { code, constraint_name } = (thrown ?? {}) as { code?: unknown; constraint_name?: unknown }
  const known =
    tlsFault(thrown) ?? (typeof code === "string" && /^[A-Z0-9_]{1,40}$/.test(code) ? code : "UNKNOWN")
  return new DatabaseError({
    statement,
    fate: fateOf(known),
    code: known,
    ...(typeof constraint_name === "string" ? { constraint: constraint_name } : {})
  })
}
