import { Context, Effect, Layer, Pool, Redacted, type Scope } from "effect"
import type postgres from "postgres"
import { DatabaseError, fromDriver, isOrdinary } from "./DatabaseError.ts"
import { type DatabaseTls, readDatabaseUrl } from "./DatabaseUrl.ts"
import * as Wire from "./Wire.ts"

/** One statement, one round trip, autocommit. Parameters are sent apart from the text and never logged. */
export interface Connection {
  readonly query: <Row extends object>(
    statement: string,
    text: string,
    parameters?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Row>, DatabaseError>
  /** Several statements without parameters, in one implicit transaction: migrations. */
  readonly script: (statement: string, text: string) => Effect.Effect<void, DatabaseError>
}

export interface DatabaseOptions {
  /** `postgres://..`; a `search_path` in its query chooses the schema, `sslmode` and `sslrootcert` how it is protected. */
  readonly url: Redacted.Redacted
  /** Connections for claims and for people's questions. */
  readonly claimConnections: number
  /** Connections that only completions and heartbeats use: a flood of claims must not hold up what ends them. */
  readonly completionConnections: number
  /** The server ends a statement after this time; the client gives up on its reply a second later. Milliseconds. */
  readonly statementTimeoutMs: number
}

/** PostgreSQL, the authority. */
export class Database extends Context.Service<
  Database,
  {
    readonly claims: Connection
    /** The same connections, for statements that a provider waits for: their replies are given up at `AWAITED_MS`. */
    readonly awaited: Connection
    readonly completions: Connection
    /**
     * A connection of one's own, for session state such as an advisory lock; closed with the scope. Lost, it stays lost:
     * every further statement fails. `limitMs` replaces the time that the client waits for a reply.
     */
    readonly session: (name: string, limitMs?: number) => Effect.Effect<Connection, never, Scope.Scope>
  }
>()("oncegate/infra/Database") {}

/** Less than providers wait, and than the gate's places last. */
const AWAITED_MS = 4_500

const ESCAPED = /["\\]/
const element = (value: unknown) => {
  if (value === null || value === undefined) return "NULL"
  const text = String(value)
  // One look at most values, and two plain passes over JSON, which is full of quotes.
  return ESCAPED.test(text) ? `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"` : `"${text}"`
}
/** A flat array in the words of Postgres. */
const arrayType = (oid: number) => ({
  to: oid,
  from: [],
  serialize: (values: ReadonlyArray<unknown>) => `{${values.map(element).join(",")}}`,
  parse: (text: string) => text
})
/** The driver may not ask the server for array types (`Wire.ts`): parameters use these, and a result has its arrays as JSON. */
const ARRAYS = { text: arrayType(1009), int: arrayType(1007), bigint: arrayType(1016), uuid: arrayType(2951) }

type Settings = Record<string, string | number | boolean>
/**
 * Of the pools: each of their statements goes by an index. A plan that was made while a table was young would scan it for
 * every row of a group until the table is analysed again, a minute or some hundred thousand rows later. And each is planned
 * once: for a group of few rows Postgres would plan anew every time, which costs more than the statement.
 */
const POOLED: Settings = { enable_seqscan: "off", plan_cache_mode: "force_generic_plan" }

const driverOptions = (options: DatabaseOptions, ssl: DatabaseTls, name: string, settings: Settings) => ({
  ssl,
  connect_timeout: 3,
  types: ARRAYS,
  onnotice: () => {},
  connection: {
    application_name: `oncegate ${name}`,
    statement_timeout: options.statementTimeoutMs,
    lock_timeout: Math.min(options.statementTimeoutMs, 2000),
    idle_in_transaction_session_timeout: 2000,
    synchronous_commit: "on",
    jit: "off",
    ...settings
  } as Settings
})

/** Gives a wire for the time of one statement. */
type Lend = <A, E>(use: (wire: Wire.Wire) => Effect.Effect<A, E>) => Effect.Effect<A, E>

/** The driver's promise of a reply; beside it, what was sent and a name made of the statement's whole text. */
type Reply<Row> = PromiseLike<Array<Row>> & { args?: unknown; parameters?: unknown; signature?: unknown }

const reply = <Row>(statement: string, wire: Wire.Wire, send: (sql: postgres.Sql) => Reply<Row>) =>
  Effect.tryPromise({
    try: async () => {
      const query = send(wire.sql)
      try {
        const result = await query
        wire.answered()
        return result.splice(0)
      } finally {
        // Such promises outlive V8's short collections (ADR 49): what is large must not live on with them.
        query.args = query.parameters = query.signature = undefined
      }
    },
    catch: (thrown) => {
      if (isOrdinary(thrown)) wire.answered()
      else wire.cut()
      return fromDriver(statement, thrown)
    }
  })

/** In parts, so that the time in which this process was too busy to read a reply is not taken for the server's silence. */
const PARTS = 10
const patience = (limitMs: number) => Effect.repeat(Effect.sleep(limitMs / PARTS), { times: PARTS - 1 })

const connection = (lend: Lend, limitMs: number): Connection => {
  /** A server that is gone without a word, or stuck, must hold up nobody for longer: the limit is for all of it. */
  const run = <Row>(statement: string, send: (sql: postgres.Sql) => Reply<Row>) =>
    Effect.suspend(() => {
      let lent: Wire.Wire | undefined
      const statementReply = lend((wire) => {
        lent = wire
        return reply(statement, wire, send)
      })
      const silence = Effect.suspend(() => {
        lent?.cut()
        const fate = lent === undefined ? "unavailable" : "ambiguous"
        return Effect.fail(new DatabaseError({ statement, fate, code: "CLIENT_TIMEOUT" }))
      })
      return Effect.raceFirst(statementReply, Effect.andThen(patience(limitMs), silence))
    })
  return {
    query: <Row extends object>(statement: string, text: string, parameters: ReadonlyArray<unknown> = []) =>
      run<Row>(statement, (sql) =>
        sql.unsafe<Array<Row>>(text, [...parameters] as Array<postgres.ParameterOrJSON<never>>, {
          prepare: true
        })
      ),
    script: (statement, text) => Effect.asVoid(run(statement, (sql) => sql.unsafe(text).simple()))
  }
}

/** Opens the pools; connects at the first statement. */
export const make = Effect.fnUntraced(function* (options: DatabaseOptions) {
  const limitMs = options.statementTimeoutMs + 1000
  const read = readDatabaseUrl(Redacted.value(options.url))
  // Whoever read the setting said so already; here it must at least not be taken for a connection without TLS.
  if ("expected" in read) return yield* Effect.die(new Error(`the database's URL must be ${read.expected}`))
  const wire = (name: string, pace: Wire.Pace, settings: Settings = {}) =>
    Effect.acquireRelease(
      Effect.sync(() => Wire.open(read.url, driverOptions(options, read.tls, name, settings), pace)),
      (opened) => Effect.promise(opened.close)
    )
  const pooled = Effect.fnUntraced(function* (name: string, size: number) {
    const pool = yield* Pool.make({ acquire: wire(name, Wire.newPace(), POOLED), size })
    const lend: Lend = (use) =>
      Pool.use(pool, (lent) =>
        lent.isWhole()
          ? // Given up, its reply would stand before that of the next statement.
            Effect.onInterrupt(use(lent), () => Effect.sync(lent.cut))
          : Effect.andThen(Pool.invalidate(pool, lent), lend(use))
      )
    return lend
  })
  const claims = yield* pooled("claims", options.claimConnections)
  return Database.of({
    claims: connection(claims, limitMs),
    awaited: connection(claims, Math.min(AWAITED_MS, limitMs)),
    completions: connection(yield* pooled("completions", options.completionConnections), limitMs),
    session: (name, limit = limitMs) =>
      Effect.map(wire(name, Wire.newPace()), (one) => connection((use) => use(one), limit))
  })
})

export const layer = (options: DatabaseOptions) => Layer.effect(Database, make(options))
