import path from "node:path"
import { Effect, Redacted } from "effect"
import { database } from "../../src/cli/Service.ts"
import { freePort } from "../../src/infra/embedded/FreePort.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { gateEnvironment } from "../../src/infra/simulator/gateEnvironment.ts"
import * as Base from "../Base.ts"
import type { Contestant } from "../Contestant.ts"
import type { Ground } from "../Ground.ts"
import { answersAt, DENO, end, launch, NODE, root, run, type Service, signal, until } from "../Process.ts"

export interface GateOptions {
  readonly name: string
  readonly runtime?: "node" | "deno"
  /** Processes side by side, each with an equal part of the connections. */
  readonly gates?: number
  /**
   * `off`: no relay while the load runs; `away`: it runs and finds no Kafka. Both are made good afterwards. `apart`: it is
   * a process of its own.
   */
  readonly relay?: "on" | "off" | "away" | "apart"
  readonly environment?: Readonly<Record<string, string>>
  /** Folder in which Node leaves a CPU profile of each gate when it ends. */
  readonly profile?: string | undefined
  /** Database to begin with, instead of an empty one, and what to do before the audit. */
  readonly template?: { readonly name: string; readonly clear: (base: Base.Base) => Promise<void> }
}

const MAIN = path.join(root, "src", "main.ts")
/** Nothing listens on the port of "discard". */
const NOWHERE = "127.0.0.1:9"
const READY_MS = 30_000

const environmentOf = ({ simulator }: Ground, databaseUrl: string, prefix: string, brokers: string) => ({
  DATABASE_URL: databaseUrl,
  KAFKA_BROKERS: brokers,
  KAFKA_TOPIC_PREFIX: prefix,
  MASTER_KEYS: `bench:${Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64")}`,
  ADMIN_TOKEN: "an admin token of thirty-two characters",
  ...gateEnvironment(simulator),
  HOST: "127.0.0.1",
  ADMIN_PORT: "0"
})

export const migrated = (url: string) =>
  Migrations.migrate.pipe(
    Effect.provide(database({ databaseUrl: Redacted.make(url) })),
    Effect.scoped,
    Effect.orDie
  )

const auditOf = async (environment: Readonly<Record<string, string>>) => {
  const { code, err, out } = await run(NODE, [MAIN, "audit", "--json", "--limit", "5"], {
    env: environment,
    anyCode: true,
    timeoutMs: 600_000
  })
  try {
    const { byCode, differences, events } = JSON.parse(out) as {
      differences: number
      byCode: object
      events: { compared: number }
    }
    return {
      isClean: code === 0 && differences === 0,
      text:
        differences === 0
          ? `clean (${events.compared} events)`
          : `${differences} differences: ${JSON.stringify(byCode)}`
    }
  } catch {
    return { isClean: false, text: `the audit broke off: ${err.trim().slice(-300)}` }
  }
}

/** `oncegate serve`, as in production, each gate a process of its own. */
export const gate = (options: GateOptions): Contestant => ({
  name: options.name,
  start: Effect.fnUntraced(function* (ground, prefix) {
    const { environment = {}, gates = 1, relay = "on", runtime = "node", profile } = options
    const base = yield* Base.fresh(ground, options.template?.name)
    if (options.template === undefined) yield* migrated(base.url)
    const real = environmentOf(ground, base.url, prefix, ground.brokers.join(","))
    const env = { ...real, ...(relay === "away" ? { KAFKA_BROKERS: NOWHERE } : {}), ...environment }
    const command = runtime === "node" ? NODE : DENO
    const profiling =
      profile === undefined || runtime !== "node" ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]
    const args = [...profiling, ...(runtime === "node" ? [] : ["run", "-A"]), MAIN, "serve"]
    const logs = path.join(ground.folder, "logs")
    const up = async (port: number, more: ReadonlyArray<string>, name: string, over = {}) => {
      const began = performance.now()
      const service = launch(command, [...args, ...more], {
        env: { ...env, ...over, PORT: String(port) },
        log: path.join(logs, `${name}.log`)
      })
      if (!more.includes("--only"))
        await until(service, READY_MS, () => answersAt(`http://127.0.0.1:${port}/readyz`))
      return { service, port, ms: performance.now() - began }
    }
    const flags = relay === "off" || relay === "apart" ? ["--without", "relay"] : []
    const ports = yield* Effect.forEach(Array.from({ length: gates }), () => freePort())
    const services: Array<{ service: Service; port: number; ms: number }> = []
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => void (await Promise.all(services.map(({ service }) => end(service)))))
    )
    for (const [at, port] of ports.entries())
      services.push(yield* Effect.promise(() => up(port, flags, `gate-${at}`)))
    if (relay === "apart") services.push(yield* Effect.promise(() => up(0, ["--only", "relay"], "relay")))
    return {
      base,
      speak: {
        urls: ports.map((port) => `http://127.0.0.1:${port}`),
        paths: { paypal: "/webhooks/paypal", toss: "/webhooks/toss" },
        headers: { "paypal-cert-url": ground.certificateUrl }
      },
      pids: () => services.map(({ service }) => service.pid),
      readyMs: services[0]!.ms,
      topic: `${prefix}billing.events.v1`,
      log: path.join(logs, "gate-0.log"),
      idOf: (_, value) =>
        /"dedup_key":"([^"]*)"/.exec(value.toString("utf8"))?.[1] ?? "a record without a key",
      nameOf: ({ key }) => key,
      strike: async () => {
        for (const { service } of services) signal(service, "SIGKILL")
        await Promise.all(services.map(({ service }) => service.ended))
        await new Promise((resolve) => setTimeout(resolve, 200))
        for (const [at, { port }] of services.entries())
          services[at] = await up(port, flags, `gate-${at}-again`)
      },
      ...(relay === "on" || relay === "apart"
        ? {}
        : {
            publish: async () => {
              if (relay === "away") {
                const gone = services.splice(0)
                await Promise.all(gone.map(({ service }) => end(service)))
              }
              services.push(
                await up(0, ["--only", "relay"], "relay", { KAFKA_BROKERS: ground.brokers.join(",") })
              )
            }
          }),
      examine: async () => {
        await options.template?.clear(base)
        return auditOf(real)
      }
    }
  })
})
