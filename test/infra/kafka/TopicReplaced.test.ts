import { Effect } from "effect"
import { describe, expect } from "vitest"
import { rebase } from "../rebase/RebaseWorld.ts"
import { writeBulk } from "./LogWriter.ts"
import { facts, isCaughtUp, it } from "./RelayFixture.ts"
import { type World, waitFor } from "./RelayWorld.ts"

const WITHIN_MS = 60_000

describe.concurrent("a topic deleted under the relay", { timeout: 3 * WITHIN_MS }, () => {
  const published = async (world: World) => {
    await writeBulk(world.sql, 20, "A")
    const relay = world.startRelay()
    await relay.until(isCaughtUp(40), WITHIN_MS)
    const admin = world.kafka.admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [world.names.events] })
    await waitFor(
      "deleted",
      () => admin.listTopics(),
      (topics) => !topics.includes(world.names.events),
      WITHIN_MS
    )
    return { relay, admin }
  }
  const refused = async (world: World, relay: Awaited<ReturnType<typeof published>>["relay"]) => {
    const { reason } = await relay.until(({ state }) => state === "refused", WITHIN_MS)
    expect(reason?.explanation).toMatch(
      new RegExp(`^records_gone: ${world.names.events} holds less than was published.*oncegate relay rebase`)
    )
  }

  it("is not begun anew in silence: what it held is gone", async ({ world }) => {
    const { admin, relay } = await published(world)
    await writeBulk(world.sql, 5, "B")
    await refused(world, relay)
    expect(world.logs.filter((line) => line.startsWith("ALARM relay_checkpoint_refused")).length).toBe(1)
    await relay.stop()
    await refused(world, world.startRelay())
    await admin.disconnect()
  })

  it("made again behind a log in which nothing that is looked at was published: known by where it ended", async ({
    world
  }) => {
    const { admin, relay } = await published(world)
    await relay.stop()
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic: world.names.events, numPartitions: 12, replicationFactor: 1 }]
    })
    // As if half a million rows had come since.
    await world.sql.begin(async (tx) => {
      await tx`SET LOCAL session_replication_role = replica`
      await tx`DELETE FROM webhook_event_log`
    })
    await writeBulk(world.sql, 5, "B")
    await refused(world, world.startRelay())
    await admin.disconnect()
  })

  it("made again by somebody, with other settings: nothing is written into it before a rebase", async ({
    world
  }) => {
    const { admin, relay } = await published(world)
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic: world.names.events, numPartitions: 12, replicationFactor: 1 }]
    })
    await writeBulk(world.sql, 5, "B")
    await refused(world, relay)
    // A person's answer; it publishes once more what the topic lacks, and nothing of what was aborted counts.
    await relay.stop()
    await Effect.runPromise(rebase(world))
    await writeBulk(world.sql, 5, "C")
    await world.startRelay().until(({ backlog, state }) => state === "active" && backlog === 0, WITHIN_MS)
    const ids = (await facts(world, 30)).map(({ headers }) => headers.ce_id)
    expect([ids.length, new Set(ids).size]).toEqual([30, 30])
    await admin.disconnect()
  })
})
