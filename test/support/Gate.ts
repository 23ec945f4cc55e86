import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect, Redacted, Schedule } from "effect"
import postgres from "postgres"
import { database, type Role, start } from "../../src/cli/Service.ts"
import { read } from "../../src/infra/config/Settings.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { makeSigner } from "../../src/infra/simulator/PayPalTransmission.ts"
import * as PayPalWebhooks from "../../src/infra/simulator/PayPalWebhooks.ts"
import * as SimulatorClient from "../../src/infra/simulator/SimulatorClient.ts"
import * as SimulatorServer from "../../src/infra/simulator/SimulatorServer.ts"
import * as World from "../../src/infra/simulator/World.ts"
import * as Logs from "../../src/infra/telemetry/Logs.ts"
import { freshSchema } from "./Services.ts"

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

const scratch = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(path.join(tmpdir(), "oncegate-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Providers to play with: a simulator of its own, and what its deliveries are made with. */
export const startProviders = Effect.gen(function* () {
  const stateDir = yield* scratch
  const simulator = yield* SimulatorServer.start({ stateDir })
  const client = yield* SimulatorClient.connect(stateDir)
  const signer = makeSigner(client.identity, client.origin)
  const world = World.make(World.newSeed())
  /** One signed PayPal capture, with the headers of each of its copies. */
  const capture = (copies = 1) => {
    const act = PayPalWebhooks.oneCapture(world, { signer, copies, now: Date.now() })
    return act.events[0]!
  }
  return { simulator, client, signer, world, capture }
})
export type ProvidersUnderTest = Effect.Success<typeof startProviders>

export const environmentOf = ({ simulator }: ProvidersUnderTest, databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  MASTER_KEYS: `test:${Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64")}`,
  ADMIN_TOKEN: "an admin token of thirty-two characters",
  PAYPAL_WEBHOOK_ID: simulator.webhookId,
  PAYPAL_ENVIRONMENT: "sandbox",
  PAYPAL_CERT_ORIGIN: simulator.origin,
  PAYPAL_API_ORIGIN: simulator.origin,
  PAYPAL_CA_FILE: simulator.caFile,
  TOSS_SECRET_KEY: simulator.tossSecretKey,
  TOSS_SECURITY_KEYS: simulator.securityKeys.join(","),
  TOSS_API_ORIGIN: simulator.origin,
  ALLOW_TEST_PROVIDERS: "yes",
  HOST: "127.0.0.1",
  PORT: "0",
  ADMIN_PORT: "0",
  LOG_LEVEL: "debug"
})

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
