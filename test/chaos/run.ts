import { randomBytes } from "node:crypto"
import { Effect, Redacted } from "effect"
import kafkajs from "kafkajs"
import postgres from "postgres"
import "../../src/infra/kafka/KafkajsIdleTimer.ts"
import { namesOf } from "../../src/infra/kafka/Topics.ts"
import * as Database from "../../src/infra/postgres/Database.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { startBroker } from "./Broker.ts"
import { check, type Damage } from "./check.ts"
import type { ControlName } from "./controls.ts"
import { startFaultyProxy } from "./FaultyProxy.ts"
import { type FaultName, faults, programme, sleep } from "./faults.ts"
import { startRelays } from "./Relays.ts"
import { prepare, startWriters } from "./writers.ts"

export interface ChaosOptions {
  /** A Postgres in which it may make a schema and a database. */
  readonly url: string
  /** Of the broker; removed by whoever made it. */
  readonly folder: string
  /** Facts, each with an outcome. */
  readonly rows: number
  readonly seed: number
  readonly relays: number
  readonly faults: number
  readonly brokerKills: number
  readonly halfOpens: number
  readonly control?: ControlName | undefined
  readonly say: (line: string) => void
  /** Ends the run early, with everything that it started. */
  readonly signal?: AbortSignal
}

export interface ChaosResult {
  readonly facts: number
  readonly events: Damage
  readonly outcomes: Damage
  readonly faults: Readonly<Partial<Record<FaultName, number>>>
  readonly batches: number
  readonly troubles: Readonly<Record<string, number>>
  readonly seconds: number
}

const PAYMENTS = 500
/** A relay that published nothing for so long after a fault stands still. */
const STANDSTILL_MS = 90_000

/** mulberry32: a run's decisions repeat with its seed, though not its timing. */
const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Relays copy a log to a broker while both, and what lies between, are broken again and again. */
export const run = async (options: ChaosOptions): Promise<ChaosResult> => {
  const { rows, say } = options
  const startedMs = performance.now()
  const random = randomOf(options.seed)
  const closing: Array<() => unknown> = []
  try {
    const id = `chaos_${randomBytes(4).toString("hex")}`
    const base = postgres(options.url, { max: 1, onnotice: () => {} })
    closing.push(() => base.end({ timeout: 5 }))
    await base.unsafe(`CREATE SCHEMA ${id}`)
    closing.push(() => base.unsafe(`DROP SCHEMA ${id} CASCADE`))
    const url = new URL(options.url)
    url.searchParams.set("search_path", id)
    await Effect.runPromise(
      Migrations.migrate.pipe(
        Effect.provide(
          Database.layer({
            url: Redacted.make(url.href),
            claimConnections: 1,
            completionConnections: 1,
            statementTimeoutMs: 30_000
          })
        )
      )
    )
    const sql = postgres(url.href, { max: 12, onnotice: () => {} })
    closing.push(() => sql.end({ timeout: 5 }))
    await sql`INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key)
              VALUES ('paypal', 'paypal', 'simulated', '\\x00')`
    await prepare(sql, PAYMENTS)

    // Holds back the oldest snapshot of the whole cluster for the whole run.
    await base.unsafe(`CREATE DATABASE ${id}`)
    closing.push(() => base.unsafe(`DROP DATABASE ${id} WITH (FORCE)`))
    const otherUrl = new URL(options.url)
    otherUrl.pathname = `/${id}`
    const other = postgres(otherUrl.href, { max: 1, onnotice: () => {} })
    closing.push(() => other.end({ timeout: 1 }))
    await (await other.reserve()).unsafe("BEGIN; SELECT pg_current_xact_id()").simple()

    const broker = await startBroker(options.folder)
    closing.push(broker.stop)
    const proxy = await startFaultyProxy(broker.port)
    closing.push(proxy.close)
    const names = namesOf(`${id}.`)
    const kafka = new kafkajs.Kafka({
      clientId: "chaos",
      brokers: [broker.address],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 1000, retries: 30 }
    })
    const admin = kafka.admin()
    await admin.connect()
    closing.push(() => admin.disconnect())
    const relays = startRelays(
      {
        DATABASE_URL: url.href,
        KAFKA_BROKERS: broker.address,
        KAFKA_TOPIC_PREFIX: `${id}.`,
        PROXY: `${broker.port}:${proxy.port}`
      },
      options.relays,
      options.control
    )
    closing.push(relays.stop)
    const reached = async () => {
      const [row] = await sql<[{ at: string | null }]>`SELECT max(position) AS at FROM relay_checkpoint`
      return Number(row.at ?? -1)
    }

    const writers = startWriters(sql, {
      writers: 8,
      payments: PAYMENTS,
      random: Math.random,
      published: reached
    })
    closing.push(writers.stop)

    const waitUntil = async (what: string, good: () => Promise<boolean>) => {
      const end = performance.now() + STANDSTILL_MS
      while (!(await good())) {
        relays.check()
        options.signal?.throwIfAborted()
        if (performance.now() > end) throw new Error(`${what}: nothing for ${STANDSTILL_MS / 1000} s`)
        await sleep(10)
      }
    }
    const batches = async () => {
      const [row] = await sql<[{ n: string | null }]>`SELECT max(batch) AS n FROM relay_checkpoint`
      return Number(row.n ?? -1)
    }

    const list = programme(random, options)
    for (const [at, name] of list.entries()) {
      const step = rows / list.length
      const [head] = await sql<[{ at: string | null }]>`SELECT max(position) AS at FROM webhook_event_log`
      writers.allow(Math.ceil(step * (at + 0.4)))
      await waitUntil(`progress before "${name}"`, async () => (await reached()) >= Number(head.at))
      await sleep(random() * 60)
      say(
        `${String(at + 1).padStart(3)}/${list.length} ${name} (${writers.written()} of ${rows} written, batch ${await batches()})`
      )
      // The rest of the step is written while the fault lasts, so that it meets work.
      let share = 0.4
      const trickle = setInterval(() => {
        share = Math.min(1, share + 0.03)
        writers.allow(Math.ceil(step * (at + share)))
      }, 20)
      await Promise.resolve(faults[name]({ sql, admin, names, broker, proxy, relays, random })).finally(() =>
        clearInterval(trickle)
      )
      writers.allow(Math.ceil(step * (at + 1)))
    }
    await waitUntil("writers", async () => writers.written() >= rows)
    await writers.stop()

    // Written last, so published last.
    const [last] = await sql<[{ position: string }]>`
      WITH next AS (UPDATE written SET n = n + 1 WHERE payment = 'P00001' RETURNING payment, n)
      INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
      SELECT 'paypal', 'last', 1, 'BillingEventRecorded', jsonb_build_object('fact', jsonb_build_object(
        'type', 'billing.payment.captured.v1', 'effect_key', 'capture:' || payment || ':' || n, 'payment_reference', payment))
        FROM next RETURNING position`
    await waitUntil("the end", async () => {
      const [row] = await sql<[{ there: boolean }]>`
        SELECT EXISTS (SELECT FROM relay_checkpoint WHERE position >= ${last.position} AND confirmed_at IS NOT NULL)
           AND NOT EXISTS (SELECT FROM relay_checkpoint WHERE confirmed_at IS NULL) AS there`
      return row.there
    })
    const count = await batches()
    await relays.stop()
    say(`reading the topics (${count} batches)`)
    const found = await check(kafka, admin, names, sql)
    const times: Partial<Record<FaultName, number>> = {}
    for (const name of list) times[name] = (times[name] ?? 0) + 1
    return {
      ...found,
      faults: times,
      batches: count,
      troubles: Object.fromEntries(relays.troubles),
      seconds: Math.round((performance.now() - startedMs) / 1000)
    }
  } finally {
    for (const close of closing.reverse()) await Promise.resolve(close()).catch(() => {})
  }
}
