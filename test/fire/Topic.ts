import { Effect } from "effect"
import type { TopicRecord } from "../../src/infra/audit/Topic.ts"
import { capture, read } from "../../src/infra/audit/Topic.ts"
import type { World } from "../infra/kafka/RelayWorld.ts"

/** All that a `read_committed` consumer finds in a topic, up to its end of now. */
export const recordsOf = async ({ kafka }: Pick<World, "kafka">, topic: string) => {
  const admin = kafka.admin()
  await admin.connect()
  const records: Array<TopicRecord> = []
  const range = await Effect.runPromise(capture(admin, topic))
  if (range !== null) await Effect.runPromise(read(kafka, range, (some) => void records.push(...some)))
  await admin.disconnect()
  return records
}

/** A commit is acknowledged before its markers are written, and readers see it only then. */
const VISIBLE_MS = 30_000

/** How many there are, and how many different ones, once there are `enough` or nothing more comes for long. */
export const countOf = async (world: Pick<World, "kafka" | "names">, enough: number) => {
  const end = Date.now() + VISIBLE_MS
  let found = await countNow(world)
  while (Math.min(found.events.distinct, found.outcomes.distinct) < enough && Date.now() < end)
    found = await countNow(world)
  return found
}

const countNow = async (world: Pick<World, "kafka" | "names">) => {
  const count = async (topic: string) => {
    const ids = (await recordsOf(world, topic)).map(({ headers }) => headers.ce_id)
    return { records: ids.length, distinct: new Set(ids).size }
  }
  return { events: await count(world.names.events), outcomes: await count(world.names.outcomes) }
}

export const exactly = (number: number) => ({
  events: { records: number, distinct: number },
  outcomes: { records: number, distinct: number }
})
