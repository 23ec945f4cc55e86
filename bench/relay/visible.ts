import kafkajs from "kafkajs"
import "../../src/infra/kafka/KafkaClient.ts"
import { percentile } from "../percentile.ts"
import { book, RECORDS_PER_EVENT } from "./book.ts"
import { openWorld, pause, type Services, usage } from "./World.ts"

const COMMIT_EVERY_MS = 10

export interface Visible {
  readonly eventsPerSecond: number
  readonly records: number
  /** Milliseconds from a log row's time, shortly before its commit, to a read_committed consumer. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
  readonly relayCpuShare: number
}

/** Books events at a steady rate while a relay of the checkout `root` publishes them and a consumer reads them. */
export const visible = async (
  services: Services,
  root: string,
  options: { readonly rate: number; readonly seconds: number; readonly flags?: ReadonlyArray<string> }
): Promise<Visible> => {
  const world = await openWorld(services)
  const relay = world.relay(root, options.flags)
  const kafka = new kafkajs.Kafka({
    clientId: "bench",
    brokers: world.brokers,
    logLevel: kafkajs.logLevel.NOTHING
  })
  const consumer = kafka.consumer({ groupId: `${world.names.group}-bench`, maxWaitTimeInMs: 100 })
  try {
    const { sql } = world
    const admin = kafka.admin()
    await admin.connect()
    let existing: ReadonlyArray<string> = []
    const topics = [world.names.events, world.names.outcomes]
    while (!topics.every((topic) => existing.includes(topic))) {
      await pause(50)
      existing = await admin.listTopics()
    }
    await admin.disconnect()
    const times: Array<number> = []
    let warm = false
    let seen = 0
    await consumer.connect()
    await consumer.subscribe({ topics, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const now = Date.now()
        for (const { headers } of batch.messages) {
          seen += 1
          if (warm) times.push(now - Date.parse(String(headers?.ce_time)))
        }
      }
    })
    let booked = 0
    const started = Date.now()
    let cpu = 0
    const pending: Array<Promise<unknown>> = []
    while (Date.now() - started < (options.seconds + 3) * 1000) {
      if (!warm && Date.now() - started > 3000) {
        warm = true
        cpu = usage(relay.child.pid!).cpuSeconds
      }
      const due = Math.floor(((Date.now() - started) * options.rate) / 1000) - booked
      if (due > 0) {
        pending.push(book(sql, booked, due).execute())
        booked += due
      }
      await pause(COMMIT_EVERY_MS)
    }
    const spent = usage(relay.child.pid!).cpuSeconds - cpu
    await Promise.all(pending)
    while (seen < booked * RECORDS_PER_EVENT) await pause(20)
    times.sort((a, b) => a - b)
    return {
      eventsPerSecond: options.rate,
      records: times.length,
      p50: percentile(times, 0.5),
      p90: percentile(times, 0.9),
      p99: percentile(times, 0.99),
      max: times.at(-1)!,
      relayCpuShare: Number((spent / options.seconds).toFixed(2))
    }
  } finally {
    await consumer.disconnect()
    await relay.stop()
    await world.close()
  }
}
