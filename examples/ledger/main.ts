// The ledger: books facts until Ctrl-C, and prints the balances whenever they have changed.
import { readFile } from "node:fs/promises"
import path from "node:path"
import process from "node:process"
import { startConsumer } from "oncegate/consumer"
import postgres from "postgres"
import { balanceTable, readBalances } from "./balances.ts"
import { createTables, handlers } from "./ledger.ts"

if (process.argv.includes("--help")) {
  console.log(`Usage: npm run ledger

Books the facts of billing.events.v1 into tables in the schema "ledger" and prints balances by currency.
Finds a running \`npm start\` by itself. Otherwise:

  LEDGER_DATABASE_URL   postgres://..  the ledger's own database
  KAFKA_BROKERS         host:port,..
  KAFKA_TOPIC_PREFIX    put before topic and group`)
  process.exit(0)
}

/** What a running `npm start` left for others to read. */
const devFile = async () => {
  const file = path.join(process.env.ONCEGATE_DATA_DIR ?? ".oncegate", "dev.json")
  const text = await readFile(file, "utf8").catch(() => {
    throw new Error(
      `no \`npm start\` runs here (${file}): start one, or set LEDGER_DATABASE_URL and KAFKA_BROKERS`
    )
  })
  return JSON.parse(text) as { readonly database_url: string; readonly kafka_brokers: ReadonlyArray<string> }
}

const { LEDGER_DATABASE_URL, KAFKA_BROKERS, KAFKA_TOPIC_PREFIX = "" } = process.env
const found =
  LEDGER_DATABASE_URL === undefined || KAFKA_BROKERS === undefined
    ? await devFile().catch((error: Error) => {
        console.error(error.message)
        process.exit(1)
      })
    : undefined

const sql = postgres(LEDGER_DATABASE_URL ?? found!.database_url, {
  max: 9,
  onnotice: () => {},
  connection: { search_path: "ledger", application_name: "ledger" }
})
await sql`CREATE SCHEMA IF NOT EXISTS ledger`
await createTables(sql)

const consumer = await startConsumer({
  brokers: KAFKA_BROKERS?.split(",") ?? found!.kafka_brokers,
  groupId: `${KAFKA_TOPIC_PREFIX}ledger`,
  topics: [`${KAFKA_TOPIC_PREFIX}billing.events.v1`],
  sql,
  handlers,
  // A type that this ledger has never heard of might be money: a person decides.
  unknownTypes: "dead-letter",
  sessionTimeoutMs: 6_000,
  onFailure: (error, { id, attempt }) =>
    // Its class only: messages of a database quote what was to be written.
    console.error(`event ${id}, attempt ${attempt}: ${error instanceof Error ? error.name : "failed"}`)
})

let printed = ""
const print = async () => {
  const table = balanceTable(await readBalances(sql))
  if (table === printed) return
  printed = table
  const { counts } = consumer.status()
  const [overdrawn] = await sql<[{ payments: number }]>`SELECT count(*)::int AS payments FROM overdrawn`
  console.log(
    `\n${table}\n${counts.handled} booked, ${counts.duplicates} came again, ${counts.deadLettered} dead-lettered; payments overdrawn: ${overdrawn.payments}`
  )
}
const printing = setInterval(() => void print().catch(() => {}), 1_000)

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, async () => {
    clearInterval(printing)
    await consumer.stop()
    await print().catch(() => {})
    await sql.end({ timeout: 2 })
  })
