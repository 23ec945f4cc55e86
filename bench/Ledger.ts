import { randomBytes } from "node:crypto"
import kafkajs from "kafkajs"
import "../src/infra/kafka/KafkajsIdleTimer.ts"
import type { Ground } from "./Ground.ts"

const client = (ground: Ground) =>
  new kafkajs.Kafka({
    clientId: "oncegate-bench",
    brokers: [...ground.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 20, initialRetryTime: 50, maxRetryTime: 500 }
  })

/** Whose fact a record is, by its key and value. */
export type IdOf = (key: string, value: Buffer) => string

export interface Seen {
  /** Records by id, everything that `read_committed` readers can see. */
  readonly byId: ReadonlyMap<string, number>
  readonly records: number
  /** Between the first record and the last one so far. */
  readonly spanSeconds: number
  /** Why reading ended, where it did. */
  readonly failure: string | undefined
  /** From the row's time (header `ce_time`) to here, in milliseconds, where the record has one. */
  readonly delays: ReadonlyArray<number>
  /** When each of these was read: milliseconds of the clock. */
  readonly readAt: ReadonlyArray<number>
  readonly stop: () => Promise<void>
}

const TOPIC_MS = 30_000

/** Waits until a topic is there: a contestant may make it when it first publishes. */
const present = async (ground: Ground, topic: string) => {
  const admin = client(ground).admin()
  await admin.connect()
  const limit = Date.now() + TOPIC_MS
  while (!(await admin.listTopics()).includes(topic)) {
    if (Date.now() > limit) throw new Error("its topic was never made")
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await admin.disconnect()
}

/** Follows one topic from its beginning; what it saw is read at any time. */
export const follow = async (ground: Ground, topic: string, idOf: IdOf): Promise<Seen> => {
  const byId = new Map<string, number>()
  const delays: Array<number> = []
  const readAt: Array<number> = []
  const seen = { records: 0, firstAt: 0, lastAt: 0, failure: undefined as string | undefined }
  await present(ground, topic)
  const consumer = client(ground).consumer({
    groupId: `bench-${randomBytes(6).toString("hex")}`,
    readUncommitted: false,
    maxWaitTimeInMs: 20,
    allowAutoTopicCreation: false
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) seen.failure = payload.error.message
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: 1,
    eachBatch: async ({ batch, heartbeat }) => {
      const now = Date.now()
      if (seen.records === 0) seen.firstAt = now
      seen.lastAt = now
      for (const { headers, key, value } of batch.messages) {
        const id = idOf(String(key), value ?? Buffer.alloc(0))
        byId.set(id, (byId.get(id) ?? 0) + 1)
        seen.records += 1
        const time = headers?.ce_time
        if (time === undefined) continue
        delays.push(now - Date.parse(String(time)))
        readAt.push(now)
      }
      await heartbeat()
    }
  })
  return {
    byId,
    delays,
    readAt,
    get records() {
      return seen.records
    },
    get spanSeconds() {
      return (seen.lastAt - seen.firstAt) / 1000
    },
    get failure() {
      return seen.failure
    },
    stop: () => consumer.disconnect()
  }
}

export const createTopic = async (ground: Ground, topic: string) => {
  const admin = client(ground).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 12, replicationFactor: 1 }] })
  await admin.disconnect()
}

/** Topics of one contestant's round go with it. */
export const dropTopics = async (ground: Ground, prefix: string) => {
  const admin = client(ground).admin()
  await admin.connect()
  const mine = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix))
  if (mine.length > 0) await admin.deleteTopics({ topics: mine })
  await admin.disconnect()
}

/** Waits until `isEnough`, or nothing more comes for `quietMs`. Seconds since the call. Fails where reading ended. */
export const settled = async (seen: Seen, quietMs: number, isEnough: () => boolean) => {
  const began = Date.now()
  let last = seen.records
  let lastAt = began
  while (!isEnough() && Date.now() - lastAt < quietMs) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    if (seen.failure !== undefined) throw new Error(`the records cannot be read: ${seen.failure}`)
    if (seen.records !== last) {
      last = seen.records
      lastAt = Date.now()
    }
  }
  return (Date.now() - began) / 1000
}
