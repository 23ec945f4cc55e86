import { it as plain } from "vitest"
import type { RelayStatus } from "../../../src/infra/kafka/RelayStatus.ts"
import { consume } from "./Consumed.ts"
import { openWorld, type World } from "./RelayWorld.ts"

// Mostly waiting, and each in a world of its own: at the same time.
export const it = plain.extend<{ readonly world: World }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner reads the names of the fixtures that it needs
  world: async ({}, use) => {
    const world = await openWorld()
    await use(world)
    await world.close()
  }
})

export const isCaughtUp = (records: number) => (status: RelayStatus) =>
  status.records.events + status.records.outcomes >= records
export const facts = (world: World, enough: number) =>
  consume(world.kafka, world.prefix, [world.names.events], enough)
export const checkpoint = (world: World) =>
  world.sql<
    Array<{ batch: string; open: boolean; nonce: string }>
  >`SELECT batch, nonce, confirmed_at IS NULL AS open FROM relay_checkpoint ORDER BY batch DESC`
