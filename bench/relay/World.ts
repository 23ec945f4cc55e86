import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Exit, Redacted, Scope } from "effect"
import postgres from "postgres"
import * as EmbeddedKafka from "../../src/infra/embedded/EmbeddedKafka.ts"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"
import { guard } from "../../src/infra/embedded/Guard.ts"
import { namesOf } from "../../src/infra/kafka/Topics.ts"

export const ROOT = fileURLToPath(new URL("../..", import.meta.url))
const isDeno = "Deno" in globalThis

/** Postgres and Kafka of a measurement: of the environment where it names them, else started here. */
export const startServices = async () => {
  const { DATABASE_URL, KAFKA_BROKERS } = process.env
  const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-bench-"))
  chmodSync(folder, 0o711) // as root, Postgres runs as another user and must be able to pass
  const scope = Effect.runSync(Scope.make())
  const start = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) =>
    Effect.runPromise(Scope.provide(effect, scope))
  const url =
    DATABASE_URL ??
    Redacted.value((await start(EmbeddedPostgres.start({ folder: path.join(folder, "postgres") }))).url)
  const brokers =
    KAFKA_BROKERS ?? (await start(EmbeddedKafka.start({ folder: path.join(folder, "kafka") }))).brokers.join()
  const kafkaPid = path.join(folder, "kafka", "pid")
  return {
    url,
    brokers,
    /** CPU seconds of the broker so far, where it was started here and not in a container. */
    kafkaCpu: () =>
      existsSync(kafkaPid) ? usage(Number(readFileSync(kafkaPid, "utf8"))).cpuSeconds : Number.NaN,
    stop: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
export type Services = Awaited<ReturnType<typeof startServices>>

export interface Process {
  readonly child: ChildProcess
  readonly stop: () => Promise<void>
}

/** Runs `oncegate` of a checkout; what it says on standard error is passed on. */
export const oncegate = (
  root: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  flags: ReadonlyArray<string> = []
): Process => {
  const runtime = isDeno ? ["run", "-A"] : flags
  const child = spawn(process.execPath, [...runtime, path.join(root, "src", "main.ts"), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", LOG_LEVEL: "warn", ...env },
    stdio: ["ignore", "ignore", "inherit"]
  })
  guard(child.pid, [["SIGKILL", 5_000]])
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  return {
    child,
    stop: () => {
      child.kill("SIGTERM")
      return ended
    }
  }
}

/** CPU seconds, resident megabytes and waits of the main thread of a process, where the system tells. */
export const usage = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
      memoryMb: Math.round((Number(fields[21]) * 4096) / 1e6),
      waits: Number(
        /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
      )
    }
  } catch {
    return { cpuSeconds: Number.NaN, memoryMb: Number.NaN, waits: Number.NaN }
  }
}

/** A migrated schema and a topic prefix of its own. */
export const openWorld = async ({ url, brokers }: Services) => {
  const id = randomBytes(4).toString("hex")
  const schema = `bench_${id}`
  const prefix = `bench-${id}.`
  const own = new URL(url)
  own.searchParams.set("search_path", schema)
  const admin = postgres(url, { max: 1, onnotice: () => {} })
  await admin.unsafe(`CREATE SCHEMA ${schema}`)
  const env = {
    DATABASE_URL: own.href,
    KAFKA_BROKERS: brokers,
    KAFKA_TOPIC_PREFIX: prefix,
    ADMIN_TOKEN: randomBytes(24).toString("hex"),
    ADMIN_PORT: "0",
    PORT: "0",
    HOST: "127.0.0.1",
    MASTER_KEYS: `a:${randomBytes(32).toString("base64")}`,
    PAYPAL_WEBHOOK_ID: "BENCH-WEBHOOK"
  }
  await new Promise<void>((resolve, reject) => {
    oncegate(ROOT, ["migrate"], env).child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`migrate ended with ${code}`))
    )
  })
  const sql = postgres(own.href, { max: 10, onnotice: () => {} })
  await sql`INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key)
            VALUES ('paypal', 'paypal', 'live', '\\x00')`
  return {
    sql,
    env,
    brokers: brokers.split(","),
    names: namesOf(prefix),
    relay: (root: string, flags: ReadonlyArray<string> = []) =>
      oncegate(root, ["serve", "--only", "relay"], env, flags),
    close: async () => {
      await sql.end({ timeout: 5 })
      await admin.unsafe(`DROP SCHEMA ${schema} CASCADE`)
      await admin.end({ timeout: 5 })
    }
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
