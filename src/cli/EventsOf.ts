import { readFileSync } from "node:fs"
import { Effect, Layer, Option, Redacted } from "effect"
import type { Events } from "../domain/Events.ts"
import { StoreUnavailable } from "../domain/GateStore.ts"
import { readDatabaseUrl } from "../infra/postgres/DatabaseUrl.ts"
import { names } from "../infra/postgres/Endpoints.ts"
import * as LogSignal from "../infra/postgres/LogSignal.ts"
import * as PostgresEvents from "../infra/postgres/PostgresEvents.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { devFile } from "./DevService.ts"
import { database, unreachable } from "./Service.ts"

/** `DATABASE_URL`, or what stands in the file that `DATABASE_URL_FILE` names. */
const given = Effect.try({
  try: () => {
    const { DATABASE_URL: url, DATABASE_URL_FILE: file } = process.env
    return url || (file ? readFileSync(file, "utf8").trim() : undefined)
  },
  catch: () => new CommandFailed({ message: "DATABASE_URL_FILE names a file that cannot be read" })
})

/** The database to look into: the environment's, else that of a running `npm start`. */
export const databaseUrlOf = Effect.fnUntraced(function* (dataDir: string) {
  const url = yield* given
  if (url !== undefined) {
    const read = readDatabaseUrl(url)
    return "expected" in read
      ? yield* new CommandFailed({ message: `DATABASE_URL must be ${read.expected}` })
      : { url: Redacted.make(url), from: "environment" as const }
  }
  const dev = yield* devFile(dataDir)
  if (dev?.database_url === undefined)
    return yield* new CommandFailed({
      message: `no database to look into: set DATABASE_URL, or run \`npm start\` (nothing in ${dataDir})`
    })
  return { url: Redacted.make(dev.database_url), from: "dev" as const }
})
export type DatabaseFound = Effect.Success<ReturnType<typeof databaseUrlOf>>

/** The store's trouble as one line. */
export const explain = (found: DatabaseFound) => (error: StoreUnavailable) =>
  new CommandFailed({
    message:
      error.code === "ECONNREFUSED" && found.from === "dev"
        ? "the database of `npm start` does not answer: is it running? (set DATABASE_URL for another one)"
        : unreachable(error).message
  })

/** A name that no endpoint has would look like an endpoint where all is well. */
export const knownEndpoint = Effect.fnUntraced(function* (dataDir: string, endpoint: Option.Option<string>) {
  if (Option.isNone(endpoint)) return
  const found = yield* databaseUrlOf(dataDir)
  const known = yield* names.pipe(
    Effect.provide(database({ databaseUrl: found.url })),
    Effect.mapError((error) => explain(found)(new StoreUnavailable({ code: error.code })))
  )
  // Rows written by others than a gate (the earlier one's, adopted) may be all there is.
  if (known.length > 0 && !known.includes(endpoint.value))
    return yield* new CommandFailed({
      message: `there is no endpoint ${JSON.stringify(endpoint.value)} in this database: it knows ${known.join(", ")}`
    })
})

/** Runs a command's work on the events of the database that was found. */
export const withEvents = <A, E, R>(
  dataDir: string,
  work: Effect.Effect<A, E | StoreUnavailable, R | Events>
) =>
  Effect.flatMap(databaseUrlOf(dataDir), (found) =>
    work.pipe(
      Effect.mapError((error: E | StoreUnavailable) =>
        error instanceof StoreUnavailable ? explain(found)(error) : error
      ),
      Effect.provide(
        PostgresEvents.layer.pipe(
          Layer.provide([database({ databaseUrl: found.url }), Layer.fresh(LogSignal.layer)])
        )
      )
    )
  )
