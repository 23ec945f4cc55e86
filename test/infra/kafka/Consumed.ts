import type { Kafka } from "kafkajs"
import { waitFor } from "./RelayWorld.ts"

/** A record as a `read_committed` consumer sees it. */
export interface Consumed {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly data: Record<string, unknown>
}

let groups = 0

/** Reads topics from their beginning until `enough` were seen, and then a little longer for what should not be there. */
export const consume = async (
  kafka: Kafka,
  prefix: string,
  topics: ReadonlyArray<string>,
  enough: number,
  { withinMs = 30_000, quietMs = 400 } = {}
): Promise<ReadonlyArray<Consumed>> => {
  const seen: Array<Consumed> = []
  groups += 1
  const consumer = kafka.consumer({
    groupId: `${prefix}consumer-${process.pid}-${groups}`,
    readUncommitted: false,
    maxWaitTimeInMs: 50,
    retry: { initialRetryTime: 50, retries: 20 }
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ topic, partition, message }) => {
      seen.push({
        topic,
        partition,
        offset: message.offset,
        key: String(message.key),
        headers: Object.fromEntries(
          Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])
        ),
        data: JSON.parse(String(message.value))
      })
    }
  })
  try {
    await waitFor(
      "records",
      () => seen.length,
      (count) => count >= enough,
      withinMs
    )
    let before = -1
    while (before !== seen.length) {
      before = seen.length
      await new Promise((resolve) => setTimeout(resolve, quietMs))
    }
    return seen
  } finally {
    await consumer.disconnect()
  }
}
