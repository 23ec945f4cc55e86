import { randomBytes } from "node:crypto"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { afterAll, inject } from "vitest"

// The real Postgres and Kafka of a run of tests: from ONCEGATE_TEST_DATABASE_URL and ONCEGATE_TEST_KAFKA_BROKERS, else
// Docker by testcontainers, else embedded. One of each for the whole run, started when the first test asks.

export type How = "environment" | "testcontainers" | "embedded"

export interface PostgresService {
  readonly url: string
  readonly how: How
}

export interface KafkaService {
  readonly brokers: ReadonlyArray<string>
  readonly how: How
}

declare module "vitest" {
  interface ProvidedContext {
    /** Where `ServicesMain.ts` listens. */
    readonly services: string
  }
}

const ask = async (part: "postgres" | "kafka") => {
  const response = await fetch(new URL(part, inject("services")))
  if (!response.ok) throw new Error(`no ${part} for tests: ${await response.text()}`)
  return response.json()
}

/** The Postgres of this run. Tests take a `freshSchema` rather than its default schema. */
export const postgresService = (): Promise<PostgresService> => ask("postgres")

/** The Kafka of this run. Tests put a `freshPrefix` before every topic, group and transactional id. */
export const kafkaService = (): Promise<KafkaService> => ask("kafka")

/** `host:port` of the brokers of this run. */
export const kafkaBrokers = async (): Promise<ReadonlyArray<string>> => (await kafkaService()).brokers

const schemas: Array<string> = []
const prefixes: Array<string> = []

const unique = () => randomBytes(6).toString("hex")

/**
 * An empty schema of this test file's own, and a database URL whose sessions work in it (`search_path`, a parameter of
 * the URL). It is dropped when the file is through.
 */
export const freshSchema = async (): Promise<{ readonly url: string; readonly schema: string }> => {
  const base = (await postgresService()).url
  const schema = `test_${unique()}`
  await withPostgres(base, (sql) => sql.unsafe(`CREATE SCHEMA ${schema}`))
  schemas.push(schema)
  const url = new URL(base)
  url.searchParams.set("search_path", schema)
  return { url: url.href, schema }
}

/** A prefix for topics, groups and transactional ids that no other test has. Its topics go when the file is through. */
export const freshPrefix = (): string => {
  const prefix = `test-${unique()}.`
  prefixes.push(prefix)
  return prefix
}

const withPostgres = async (url: string, work: (sql: postgres.Sql) => PromiseLike<unknown>) => {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

// Hooks of a file run last in, first out: this one, of an import, after those of the file itself.
afterAll(async () => {
  if (schemas.length > 0) {
    const { url } = await postgresService()
    await withPostgres(url, async (sql) => {
      // Never wait for a session that a failed test left in a transaction.
      await sql`SET lock_timeout = '5s'`
      for (const schema of schemas) await sql.unsafe(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
    })
  }
  if (prefixes.length === 0) return
  const { brokers, how } = await kafkaService()
  if (how !== "environment") return // the broker itself goes with the run
  const admin = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  const mine = (topic: string) => prefixes.some((prefix) => topic.startsWith(prefix))
  await admin.deleteTopics({ topics: (await admin.listTopics()).filter(mine) })
  await admin.disconnect()
})
