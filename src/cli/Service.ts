import { Effect, Layer, Schema } from "effect"
import { AlarmLines } from "../domain/Alarm.ts"
import { LocalRelay } from "../domain/GateStatus.ts"
import { Policy } from "../domain/Policy.ts"
import * as Rescuer from "../domain/Rescuer.ts"
import * as Retention from "../domain/Retention.ts"
import * as UnconfirmedShare from "../domain/UnconfirmedShare.ts"
import * as Workers from "../domain/Workers.ts"
import * as Admin from "../http/Admin.ts"
import * as Health from "../http/Health.ts"
import * as Ingress from "../http/Ingress.ts"
import { notFound } from "../http/Problems.ts"
import { listen } from "../http/Server.ts"
import type { Settings } from "../infra/config/Settings.ts"
import * as Custody from "../infra/crypto/Custody.ts"
import * as Relay from "../infra/kafka/Relay.ts"
import * as RelayReporter from "../infra/kafka/RelayReporter.ts"
import * as Database from "../infra/postgres/Database.ts"
import * as LogSignal from "../infra/postgres/LogSignal.ts"
import * as Migrations from "../infra/postgres/Migrations.ts"
import * as PostgresEvents from "../infra/postgres/PostgresEvents.ts"
import * as PostgresGateStore from "../infra/postgres/PostgresGateStore.ts"
import * as PostgresRetention from "../infra/postgres/PostgresRetention.ts"
import * as Configured from "../infra/providers/Configured.ts"
import { isTlsFault, type TlsFault } from "../infra/tls/TlsFault.ts"

/** The service cannot start; the message says what to do. */
export class StartRefused extends Schema.TaggedError<StartRefused>()("StartRefused", {
  message: Schema.String
}) {}

/** What a process does; several processes may share the work. */
export type Role = "ingress" | "relay" | "rescuer" | "admin"
export const roles: ReadonlyArray<Role> = ["ingress", "relay", "rescuer", "admin"]

const DRAIN_MS = 10_000
const RETENTION_EVERY_MS = 300_000
const RELAY_REPORT_MS = 5_000

export const database = (settings: Pick<Settings, "databaseUrl">) =>
  Database.layer({
    url: settings.databaseUrl,
    claimConnections: 6,
    completionConnections: 4,
    statementTimeoutMs: 5_000
  })

const tlsTrouble: Readonly<Record<TlsFault, string>> = {
  TLS_UNKNOWN_AUTHORITY:
    "its certificate is of an unknown authority; sslrootcert in DATABASE_URL names a file with the right one",
  TLS_WRONG_HOST: "its certificate is for another host than DATABASE_URL names",
  TLS_CERTIFICATE_EXPIRED: "its certificate is not valid now",
  TLS_FAILED: "it could not agree with us on TLS"
}

/** A database error before the service stands, as one line. */
export const unreachable = ({ code }: { readonly code: string }) =>
  new StartRefused({
    message:
      code === "28P01" || code === "28000"
        ? "the database refused the user or password of DATABASE_URL"
        : code === "3D000"
          ? "the database named in DATABASE_URL does not exist: create it"
          : code === "42501"
            ? "the database user lacks a right: see docs/operations.md for the grants"
            : code === "42P01"
              ? "the database has no tables of Oncegate: run `oncegate migrate`"
              : isTlsFault(code)
                ? `the database of DATABASE_URL is not trusted: ${tlsTrouble[code]} (${code})`
                : `the database of DATABASE_URL, or without it that of \`npm start\`, cannot be used (${code}): check that it runs and can be reached`
  })

/** A database that may forget what it confirmed is no authority; neither is one of another schema. */
const fit = Effect.gen(function* () {
  const { claims } = yield* Database.Database
  const [row] = yield* claims.query<{ fsync: string }>("fsync", "SELECT current_setting('fsync') AS fsync")
  if (row?.fsync !== "on")
    return yield* new StartRefused({
      message: "the database runs with fsync=off and would lose what it confirmed: set fsync=on"
    })
  const pending = (yield* Migrations.status).filter(({ state }) => state === "pending")
  if (pending.length > 0)
    return yield* new StartRefused({
      message: `${pending.length} migrations are pending: run \`oncegate migrate\``
    })
  yield* claims.query("log extend", "SELECT webhook_event_log_extend()")
}).pipe(Effect.catchTag("DatabaseError", (error) => Effect.fail(unreachable(error))))

const ready = Effect.gen(function* () {
  const { claims } = yield* Database.Database
  const ingress = yield* Ingress.Ingress
  if (ingress.isDraining()) return false
  return yield* claims.query("ready", "SELECT 1 AS one").pipe(
    Effect.as(true),
    Effect.timeoutOrElse({ duration: 2_000, orElse: () => Effect.succeed(false) }),
    Effect.catch(() => Effect.succeed(false))
  )
})

/** Listens; answers 404 to what is neither a webhook nor a question about health. */
const serveIngress = Effect.fnUntraced(function* (settings: Settings) {
  const ingress = yield* Ingress.Ingress
  const context = yield* Effect.context<Database.Database | Ingress.Ingress>()
  const health = Health.handler(Effect.provideContext(ready, context))
  // Runs after the listener is closed and before the workers end: a client that hung up leaves its claim under way.
  yield* Effect.addFinalizer(() =>
    Effect.sleep(20).pipe(
      Effect.repeat({ while: () => Effect.sync(() => ingress.inFlight() > 0) }),
      Effect.timeoutOption(DRAIN_MS)
    )
  )
  const address = yield* listen(
    { variable: "PORT", host: settings.host, port: settings.port },
    (request, response) => {
      if (ingress.handle(request, response) || health(request, response)) return
      request.resume()
      response.writeHead(404, { "content-type": "application/problem+json" }).end(notFound.body)
    }
  )
  // Registered last, so it runs first: not ready and no new work before anything stops.
  yield* Effect.addFinalizer(() => Effect.sync(ingress.drain))
  return address
})

/**
 * Everything a process does, until its scope closes: then ingress drains first, workers finish or hand back, and the
 * database goes last.
 */
export const start = Effect.fnUntraced(function* (settings: Settings, active: ReadonlySet<Role>) {
  const base = Layer.mergeAll(
    database(settings),
    Custody.layer(settings.masterKeys),
    LogSignal.layer,
    Layer.succeed(Policy, {
      leaseMs: settings.leaseMs,
      maxAttempts: settings.maxAttempts,
      backoffBaseMs: settings.backoffBaseMs,
      backoffMaxMs: settings.backoffMaxMs
    }),
    Layer.succeed(AlarmLines, new Map())
  )
  const context = yield* Layer.build(base)
  return yield* Effect.gen(function* () {
    yield* fit
    const gate = Layer.mergeAll(PostgresGateStore.layer, Configured.layer(settings)).pipe(
      Layer.provideMerge(Layer.succeedContext(context))
    )
    const work = Workers.layer({ drainMs: DRAIN_MS }).pipe(Layer.provideMerge(gate))
    const rescue = active.has("rescuer")
      ? Layer.merge(
          // Unconfirmed: half of those that Toss's API is asked for without a queue (`LookupQueue`), 32 a second.
          Rescuer.layer({ pollMs: 500, concurrency: { rescue: 64, retry: 16, busy: 16, unconfirmed: 8 } }),
          Retention.layer({
            payloadRetentionMs: settings.payloadRetentionMs,
            keyRetentionMs: settings.keyRetentionMs,
            everyMs: RETENTION_EVERY_MS,
            pauseMs: 25
          }).pipe(Layer.provide(PostgresRetention.layer))
        ).pipe(Layer.provideMerge(work))
      : work
    const relay =
      active.has("relay") && settings.kafka !== null
        ? Layer.effect(
            LocalRelay,
            Effect.map(Relay.Relay, ({ status }) =>
              Effect.map(status, ({ reason, state }) => ({ reason, state }))
            )
          ).pipe(
            Layer.merge(RelayReporter.layer({ everyMs: RELAY_REPORT_MS })),
            Layer.provideMerge(Relay.layer({ ...settings.kafka, clientId: "oncegate-relay" })),
            Layer.provideMerge(rescue)
          )
        : rescue
    const people = PostgresEvents.layer.pipe(Layer.provideMerge(relay))
    const watched = active.has("rescuer")
      ? UnconfirmedShare.layer({ everyMs: 30_000 }).pipe(Layer.provideMerge(people))
      : people
    const front = Ingress.layer({
      maxBodyBytes: settings.maxBodyBytes,
      maxInFlight: settings.maxInFlight,
      answerDeadlineMs: settings.answerDeadlineMs,
      failureAnswer: settings.failureAnswer
    }).pipe(Layer.provideMerge(watched))
    const services = yield* Layer.build(front).pipe(
      Effect.catchTag("DatabaseError", (error) => Effect.fail(unreachable(error)))
    )
    const ingress = active.has("ingress")
      ? yield* Effect.provideContext(serveIngress(settings), services)
      : null
    const admin = active.has("admin")
      ? yield* Effect.provideContext(
          Admin.serve({ host: settings.adminHost, port: settings.adminPort, token: settings.adminToken }),
          services
        )
      : null
    return { ingress, admin }
  }).pipe(Effect.provideContext(context))
})
