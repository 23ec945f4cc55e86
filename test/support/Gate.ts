import { Effect, Redacted, Schedule } from "effect"
import postgres from "postgres"
import { database, type Role, start } from "../../src/cli/Service.ts"
import { read } from "../../src/infra/config/Settings.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import * as Logs from "../../src/infra/telemetry/Logs.ts"
import { environmentOf, type ProvidersUnderTest } from "./Providers.ts"
import { freshSchema } from "./Services.ts"

export { environmentOf, type ProvidersUnderTest, startProviders } from "./Providers.ts"

/** Answer of a gate, as its provider sees it. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly body: { readonly status?: string | number; readonly state?: string; readonly error_code?: string }
}

export const post = (url: string, headers: Readonly<Record<string, string>>, body: Uint8Array) =>
  Effect.promise(async (): Promise<Answered> => {
    const response = await fetch(url, { method: "POST", headers, body: Buffer.from(body) })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) }
  })

/** Waits until it holds; a test that waits for ever fails by its own limit. */
export const until = <A>(check: () => Promise<A | undefined | false>) =>
  Effect.promise(check).pipe(
    Effect.flatMap((value) =>
      value === undefined || value === false ? Effect.fail("not yet") : Effect.succeed(value as A)
    ),
    Effect.retry(Schedule.spaced(25)),
    Effect.orDie
  )

/** An empty schema with all migrations, and a client to look into it. */
export const migratedSchema = Effect.gen(function* () {
  const { url } = yield* Effect.promise(freshSchema)
  yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) })))
  const sql = yield* Effect.acquireRelease(
    Effect.sync(() => postgres(url, { max: 2, onnotice: () => {} })),
    (open) => Effect.promise(() => open.end({ timeout: 2 }))
  )
  return { url, sql }
})

/** A whole gate in this process, on a schema of its own. */
export const startGate = Effect.fnUntraced(function* (
  providers: ProvidersUnderTest,
  options: {
    readonly roles?: ReadonlyArray<Role>
    readonly environment?: Readonly<Record<string, string>>
    readonly databaseUrl?: string
  } = {}
) {
  const roles = new Set<Role>(options.roles ?? ["ingress", "rescuer"])
  const { sql, url } =
    options.databaseUrl === undefined
      ? yield* migratedSchema
      : { url: options.databaseUrl, sql: undefined as never }
  const settings = read(
    { ...environmentOf(providers, url), ...options.environment },
    { relay: roles.has("relay"), terminal: false, defaultHost: "127.0.0.1" }
  )
  const logs: Array<string> = []
  const { admin, ingress } = yield* start(settings, roles).pipe(
    Effect.provide(
      Logs.layer({ format: "json", level: settings.logLevel, write: (text) => void logs.push(text) })
    )
  )
  return { url: ingress?.url ?? "", adminUrl: admin?.url ?? "", databaseUrl: url, sql, logs, settings }
})
