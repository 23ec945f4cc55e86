import { randomUUID } from "node:crypto"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { it as plain } from "vitest"
import { type RunningConsumer, type StartOptions, startConsumer } from "../../src/consumer/index.ts"
import { freshPrefix, freshSchema, kafkaBrokers } from "../support/Services.ts"

export const waitFor = async <A>(
  what: string,
  ask: () => A | Promise<A>,
  good: (a: A) => boolean,
  ms = 50_000
) => {
  const end = Date.now() + ms
  let answer = await ask()
  while (!good(answer)) {
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)?.slice(0, 600)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    answer = await ask()
  }
  return answer
}

/** A fact number `n` of a payment, as the relay publishes it. `change` bends the record. */
export const record = (
  payment: string,
  n: number,
  change: {
    readonly headers?: Readonly<Record<string, string>>
    readonly data?: Readonly<Record<string, unknown>>
    readonly id?: string
    readonly value?: string
  } = {}
) => ({
  key: `paypal/${payment}`,
  value:
    change.value ??
    JSON.stringify({
      endpoint: "paypal",
      provider: "paypal",
      environment: "simulated",
      dedup_key: `ev_${payment}_${n}`,
      effect_key: `capture:${payment}:${n}`,
      provider_event_type: "PAYMENT.CAPTURE.COMPLETED",
      provider_event_id: null,
      payment_reference: payment,
      object_id: `${n}`,
      parent_reference: null,
      amount: { value: "10.50", currency: "EUR" },
      provider_status: null,
      occurred_at: null,
      confirmed_by: "signature",
      ...change.data
    }),
  headers: {
    ce_specversion: "1.0",
    ce_id: change.id ?? randomUUID(),
    ce_source: "/oncegate/paypal",
    ce_type: "billing.payment.captured.v1",
    ce_subject: payment,
    ce_time: "2026-01-02T03:04:05.000Z",
    ce_sequence: String(n).padStart(20, "0"),
    "content-type": "application/json",
    ...change.headers
  }
})
export type TestRecord = ReturnType<typeof record>

/** A topic, a database with a table of effects that forbids nothing, and consumers that write into it. */
export const openWorld = async () => {
  const { url } = await freshSchema()
  const prefix = freshPrefix()
  const brokers = await kafkaBrokers()
  const topic = `${prefix}billing.events.v1`
  const groupId = `${prefix}ledger`
  const sql = postgres(url, { max: 12, onnotice: () => {} })
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 3 }] })
  await waitFor(
    "topic",
    () => admin.fetchTopicMetadata({ topics: [topic] }).catch(() => ({ topics: [] })),
    ({ topics }) => topics[0]?.partitions.every(({ leader }) => leader >= 0) === true
  )
  // No unique constraint: what is doubled shows.
  await sql`CREATE TABLE effects (at BIGINT GENERATED ALWAYS AS IDENTITY, event_id TEXT, payment TEXT, n INT)`
  const running = new Set<RunningConsumer>()

  return {
    url,
    prefix,
    brokers,
    topic,
    groupId,
    sql,
    kafka,
    admin,
    send: (records: ReadonlyArray<TestRecord>, to = topic) =>
      producer.send({ topic: to, acks: -1, messages: [...records] }),
    start: async (options: Partial<StartOptions> = {}) => {
      const consumer = await startConsumer({
        brokers,
        groupId,
        topics: [topic],
        sql,
        sessionTimeoutMs: 6_000,
        commitIntervalMs: 50,
        retry: { maxAttempts: 3, baseMs: 20, maxMs: 100 },
        unknownTypes: "skip",
        log: () => {},
        handlers: {
          "billing.payment.captured.v1": async ({ data, id }, { sql: tx }) => {
            await tx`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
          }
        },
        ...options
      })
      const stop = async () => {
        running.delete(handle)
        await consumer.stop()
      }
      const handle = { ...consumer, stop }
      running.add(handle)
      return handle
    },
    effects: () =>
      sql<
        Array<{ event_id: string; payment: string; n: number }>
      >`SELECT event_id, payment, n FROM effects ORDER BY at`,
    committed: async () => {
      // A broker that has yet to read the group's offsets says so, and means: later.
      const [found] = await waitFor(
        "offsets",
        () =>
          admin
            .fetchOffsets({ groupId, topics: [topic] })
            .catch((error: { readonly retriable?: boolean }) => {
              if (error.retriable !== true) throw error
              return []
            }),
        (topics) => topics.length > 0
      )
      return found!.partitions.map(({ offset }) => Math.max(0, Number(offset))).reduce((a, b) => a + b, 0)
    },
    /** All records of a topic, once `enough` are there. */
    read: async (from: string, enough: number) => {
      const seen: Array<{
        key: string
        value: string
        partition: number
        headers: Record<string, string>
      }> = []
      const consumer = kafka.consumer({ groupId: `${prefix}reader-${randomUUID()}`, maxWaitTimeInMs: 50 })
      await consumer.connect()
      await consumer.subscribe({ topics: [from], fromBeginning: true })
      await consumer.run({
        eachMessage: async ({ message, partition }) => {
          const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])
          seen.push({
            key: String(message.key),
            value: String(message.value),
            partition,
            headers: Object.fromEntries(headers)
          })
        }
      })
      try {
        await waitFor(
          from,
          () => seen.length,
          (count) => count >= enough
        )
        return seen
      } finally {
        await consumer.disconnect()
      }
    },
    close: async () => {
      await Promise.all([...running].map(({ stop }) => stop()))
      await Promise.all([admin.disconnect(), producer.disconnect(), sql.end({ timeout: 2 })])
    }
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

export const it = plain.extend<{ readonly world: World }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner reads the names of the fixtures that it needs
  world: async ({}, use) => {
    const world = await openWorld()
    await use(world)
    await world.close()
  }
})

/** Of each payment, in the order in which its effects were committed. */
export const numbersOf = (effects: ReadonlyArray<{ readonly payment: string; readonly n: number }>) => {
  const numbers: Record<string, Array<number>> = {}
  for (const { payment, n } of effects) {
    numbers[payment] ??= []
    numbers[payment].push(n)
  }
  return numbers
}
