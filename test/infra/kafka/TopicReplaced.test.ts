import { describe, expect } from "vitest"
import { consume } from "./Consumed.ts"
import { writeBulk } from "./LogWriter.ts"
import { isCaughtUp, it } from "./RelayFixture.ts"
import { type World, waitFor } from "./RelayWorld.ts"

// What rebase does then is a matter of test/infra/rebase.
describe.concurrent("a topic deleted under the relay", () => {
  const published = async (world: World) => {
    await writeBulk(world.sql, 20, "A")
    const relay = world.startRelay()
    await relay.until(isCaughtUp(40))
    const admin = world.kafka.admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [world.names.events] })
    await waitFor(
      "deleted",
      () => admin.listTopics(),
      (topics) => !topics.includes(world.names.events)
    )
    return { relay, admin }
  }
  const refused = async (world: World, relay: Awaited<ReturnType<typeof published>>["relay"]) => {
    const { reason } = await relay.until(({ state }) => state === "refused")
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

  it("made again by somebody, with other settings: the relay writes nothing into it", async ({ world }) => {
    const { admin, relay } = await published(world)
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic: world.names.events, numPartitions: 12, replicationFactor: 1 }]
    })
    await writeBulk(world.sql, 5, "B")
    await refused(world, relay)
    const other = world.kafka.producer()
    await other.connect()
    await other.send({ topic: world.names.events, messages: [{ key: "end", value: "{}" }] })
    await other.disconnect()
    const found = await consume(world.kafka, world.prefix, [world.names.events], 1)
    expect(found.map(({ key }) => key)).toEqual(["end"])
    await admin.disconnect()
  })
})
