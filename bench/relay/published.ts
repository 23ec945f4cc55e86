import { Effect } from "effect"
import kafkajs from "kafkajs"
import { capture, read } from "../../src/infra/audit/Topic.ts"
import type { World } from "./World.ts"

/** What a `read_committed` consumer finds, held against what was booked. */
export interface Published {
  readonly records: number
  readonly lost: number
  readonly doubled: number
  /** Records that came after a later one of their key. */
  readonly disordered: number
}

/** A commit is acknowledged before its markers are written, and readers see it only then. */
const VISIBLE_MS = 60_000

/** Reads both topics from end to end; `expected` records with as many different ids should be there. */
export const published = async (world: World, expected: number): Promise<Published> => {
  const kafka = new kafkajs.Kafka({
    clientId: "bench",
    brokers: world.brokers,
    logLevel: kafkajs.logLevel.NOTHING
  })
  const admin = kafka.admin()
  await admin.connect()
  const look = async () => {
    let records = 0
    let disordered = 0
    const ids = new Set<string>()
    for (const topic of [world.names.events, world.names.outcomes]) {
      const last = new Map<string, string>()
      const range = await Effect.runPromise(capture(admin, topic))
      if (range === null) continue
      await Effect.runPromise(
        read(kafka, range, (some) => {
          for (const { headers, key } of some) {
            records += 1
            ids.add(headers.ce_id ?? "")
            // Of one width, so that text compares as numbers do.
            const sequence = headers.ce_sequence ?? ""
            if (sequence <= (last.get(key) ?? "")) disordered += 1
            last.set(key, sequence)
          }
        })
      )
    }
    return { records, lost: expected - ids.size, doubled: records - ids.size, disordered }
  }
  const end = Date.now() + VISIBLE_MS
  let found = await look()
  while (found.lost > 0 && Date.now() < end) found = await look()
  await admin.disconnect()
  return found
}
