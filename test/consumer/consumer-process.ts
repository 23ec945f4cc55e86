// A consumer in a process of its own, for tests that kill it. MODE `hang`: the handler writes and then never ends.
// MODE `late`: everything is handled, and offsets are committed an hour later.
import postgres from "postgres"
import { startConsumer } from "../../src/consumer/index.ts"

const { DATABASE_URL = "", BROKERS = "", TOPIC = "", GROUP = "", MODE = "" } = process.env

await startConsumer({
  brokers: BROKERS.split(","),
  groupId: GROUP,
  topics: [TOPIC],
  sql: postgres(DATABASE_URL, { max: 4, onnotice: () => {} }),
  sessionTimeoutMs: 6_000,
  commitIntervalMs: MODE === "late" ? 3_600_000 : 50,
  unknownTypes: "skip",
  handlers: {
    "billing.payment.captured.v1": async ({ data, id }, { sql }) => {
      await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
      if (MODE !== "hang" || data.object_id !== "2") return
      process.stdout.write("in the middle\n")
      await new Promise(() => {})
    }
  }
})
