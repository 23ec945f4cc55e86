// A consumer as a team behind the topics would write it, until it is killed or its input ends: the kit's inbox, and the
// handlers of examples/ledger. DATABASE_URL, KAFKA_BROKERS and KAFKA_TOPIC_PREFIX say where. `tables`: makes them, and ends.
import { startConsumer } from "oncegate/consumer"
import postgres from "postgres"
import { createTables, handlers } from "../../examples/ledger/ledger.ts"

const { DATABASE_URL = "", KAFKA_BROKERS = "", KAFKA_TOPIC_PREFIX = "", NAME = "" } = process.env
const sql = postgres(DATABASE_URL, {
  max: 5,
  onnotice: () => {},
  connection: { search_path: "ledger", application_name: NAME }
})

if (process.argv.includes("tables")) {
  await sql`CREATE SCHEMA ledger`
  await createTables(sql)
  await sql.end()
} else {
  process.stdin.on("end", () => process.exit()).resume()
  await startConsumer({
    brokers: KAFKA_BROKERS.split(","),
    groupId: `${KAFKA_TOPIC_PREFIX}ledger`,
    topics: [`${KAFKA_TOPIC_PREFIX}billing.events.v1`],
    sql,
    concurrency: 4,
    handlers,
    unknownTypes: "dead-letter",
    sessionTimeoutMs: 6_000
  })
}
