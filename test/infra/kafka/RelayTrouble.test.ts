import kafkajs from "kafkajs"
import { describe, expect } from "vitest"
import { countFacts, NOTHING_WRONG } from "./Ledger.ts"
import { prepare, writeBulk, writeOne } from "./LogWriter.ts"
import { checkpoint, facts, isCaughtUp, it } from "./RelayFixture.ts"
import { openWorld, type World, waitFor } from "./RelayWorld.ts"

describe.concurrent("the checkpoint", { timeout: 60_000 }, () => {
  const publishSome = async (world: World) => {
    await writeBulk(world.sql, 5, "A")
    const relay = world.startRelay()
    await relay.until(isCaughtUp(10))
    await relay.stop()
  }
  const restarted = async (world: World, state: string) => {
    const relay = world.startRelay()
    return { relay, status: await relay.until((status) => status.state === state) }
  }

  it("goes on from Postgres where Kafka's offset expired on the same cluster", async ({ world }) => {
    await publishSome(world)
    const admin = world.kafka.admin()
    await admin.connect()
    await admin.deleteGroups([world.names.group])
    await writeBulk(world.sql, 5, "B")
    const { relay } = await restarted(world, "active")
    await relay.until(isCaughtUp(10))
    expect((await facts(world, 10)).length).toBe(10)
    const [topic] = await admin.fetchOffsets({ groupId: world.names.group, topics: [world.names.checkpoint] })
    expect(Number(topic!.partitions.find(({ partition }) => partition === 0)!.offset)).toBeGreaterThan(0)
    await admin.disconnect()
  })

  it("publishes an open batch that Kafka does not have, and confirms one that it has", async ({ world }) => {
    await publishSome(world)
    await world.sql`
      INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id)
      SELECT batch + 1, gen_random_uuid(), to_snapshot, to_snapshot, 999, kafka_cluster_id FROM relay_checkpoint ORDER BY batch DESC LIMIT 1`
    await writeBulk(world.sql, 5, "B")
    const { relay } = await restarted(world, "active")
    await relay.until(isCaughtUp(10))
    await relay.stop()
    await world.sql`UPDATE relay_checkpoint SET confirmed_at = NULL WHERE batch = (SELECT max(batch) FROM relay_checkpoint)`
    const again = await restarted(world, "active")
    await waitFor(
      "confirmed",
      () => checkpoint(world),
      (rows) => rows.every(({ open }) => !open)
    )
    await again.relay.stop()
    expect((await facts(world, 10)).length).toBe(10)
  })

  it("refuses a restored database, says why, and goes on once it is mended", async ({ world }) => {
    await publishSome(world)
    const rows = await world.sql`SELECT * FROM relay_checkpoint`
    await writeBulk(world.sql, 5, "B")
    const later = world.startRelay()
    await later.until(isCaughtUp(10))
    await later.stop()
    const newest = await world.sql`SELECT * FROM relay_checkpoint`
    await world.sql`DELETE FROM relay_checkpoint WHERE batch > ${rows.at(-1)!.batch}`

    const { relay, status } = await restarted(world, "refused")
    expect(status.reason?.code).toBe("relay_checkpoint_refused")
    expect(status.reason?.explanation).toMatch(
      /^postgres_behind: .*Postgres: .*Kafka: .*oncegate relay rebase/
    )
    expect(world.logs.filter((line) => line.startsWith("ALARM relay_checkpoint_refused")).length).toBe(1)

    await world.sql`INSERT INTO relay_checkpoint ${world.sql(newest.filter(({ batch }) => Number(batch) > Number(rows.at(-1)!.batch)))}`
    await relay.until(({ state }) => state === "active")
    expect((await facts(world, 10)).length).toBe(10)
  })

  it("refuses another cluster, and an emptied database behind topics in use", async ({ world }) => {
    await publishSome(world)
    await world.sql`UPDATE relay_checkpoint SET kafka_cluster_id = 'elsewhere'`
    const other = await restarted(world, "refused")
    expect(other.status.reason?.explanation).toMatch(/^other_cluster/)
    await other.relay.stop()
    await world.sql`DELETE FROM relay_checkpoint`
    const emptied = await restarted(world, "refused")
    expect(emptied.status.reason?.explanation).toMatch(/^postgres_empty/)
    expect((await facts(world, 5)).length).toBe(5)
  })

  const forgetOffset = async (world: World) => {
    const admin = world.kafka.admin()
    await admin.connect()
    await admin.deleteGroups([world.names.group])
    await admin.disconnect()
  }

  it("refuses an emptied database behind topics in use, though Kafka forgot who wrote to them", async ({
    world
  }) => {
    await publishSome(world)
    await forgetOffset(world)
    await world.sql`DELETE FROM relay_checkpoint`
    const { status } = await restarted(world, "refused")
    expect(status.reason?.explanation).toMatch(/^postgres_empty/)
    expect((await facts(world, 5)).length).toBe(5)
  })

  it("refuses a Kafka that forgot the offset and lacks the newest fact: it came back from a backup", async ({
    world
  }) => {
    await publishSome(world)
    await forgetOffset(world)
    // As if that fact had been published an hour after all that the topic holds.
    await world.sql`ALTER TABLE webhook_event_log DISABLE TRIGGER webhook_event_log_append_only`
    await world.sql`UPDATE webhook_event_log SET at = at + interval '1 hour'`
    const { status } = await restarted(world, "refused")
    expect(status.reason?.explanation).toMatch(/^records_gone/)
  })

  it("refuses a dump of another server, whose transactions it cannot tell apart", async ({ world }) => {
    await publishSome(world)
    await world.sql`UPDATE relay_checkpoint SET to_snapshot = '9000000000000:9000000000000:'`
    const { status } = await restarted(world, "refused")
    expect(status.reason?.explanation).toMatch(/^dump_of_other_server/)
  })

  it("does not disturb the rightful relay from a copy of its database", async ({ world }) => {
    await prepare(world.sql, 5)
    const rightful = world.startRelay()
    await rightful.until(({ state }) => state === "active")
    await writeOne(world.sql, "P1")
    await rightful.until(isCaughtUp(2))
    const before = (await rightful.status()).transactions
    const troubles = () => world.logs.filter((line) => line.includes("relay_kafka_unavailable")).length
    const troublesBefore = troubles()
    // Another schema is another lock: only the checkpoint tells that this one is not in the right.
    const copy = await openWorld()
    try {
      const stranger = world.startRelay({ url: copy.url })
      await stranger.until(({ state }) => state === "refused")
      for (let i = 0; i < 5; i++) await writeOne(world.sql, "P2")
      await rightful.until(isCaughtUp(12))
      expect((await rightful.status()).transactions).toBeGreaterThan(before)
      expect(troubles()).toBe(troublesBefore)
    } finally {
      await copy.close()
    }
  })
})

describe.concurrent("trouble", { timeout: 60_000 }, () => {
  it("without a broker everything waits in the log; one warning, one alarm, and all of it arrives later", async ({
    world
  }) => {
    await writeBulk(world.sql, 5)
    const away = world.startRelay({ brokers: ["127.0.0.1:1"] })
    await away.until(({ state }) => state === "waiting")
    await waitFor(
      "alarm",
      () => world.logs,
      (lines) => lines.some((line) => line.startsWith("ALARM relay_kafka_unavailable"))
    )
    expect(world.logs.filter((line) => line.startsWith("RELAY_TROUBLE")).length).toBe(1)
    await away.stop()
    await world.startRelay().until(isCaughtUp(10))
    expect((await facts(world, 5)).length).toBe(5)
  })

  it("a record that Kafka refuses stops the relay until someone mends it, and loses nothing", async ({
    world
  }) => {
    const admin = world.kafka.admin()
    await admin.connect()
    const limit = (bytes: number) => ({ name: "max.message.bytes", value: String(bytes) })
    await admin.createTopics({
      topics: [
        { topic: world.names.events, numPartitions: 12, replicationFactor: 1, configEntries: [limit(300)] }
      ]
    })
    await prepare(world.sql, 2)
    await writeOne(world.sql, "P1")
    const relay = world.startRelay()

    const status = await relay.until(({ state }) => state === "stopped")
    expect(status.reason).toEqual({
      code: "relay_stopped",
      explanation: "Kafka refuses publish: MESSAGE_TOO_LARGE"
    })
    expect(world.logs.filter((line) => line.startsWith("ALARM relay_stopped")).length).toBe(1)

    await writeOne(world.sql, "P1")
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: world.names.events,
          configEntries: [limit(1_048_588)]
        }
      ]
    })
    await relay.until(isCaughtUp(4))
    expect(await countFacts(world.sql, await facts(world, 2))).toEqual(NOTHING_WRONG)
    await admin.disconnect()
  })

  it("stops before an event of a later version, and before a fact of an endpoint that nobody knows", async ({
    world
  }) => {
    await world.sql`INSERT INTO webhook_event_log (provider, dedup_key, version, type, type_version, data)
                    VALUES ('paypal', 'ev_later', 1, 'Completed', 2, '{}')`
    await writeBulk(world.sql, 1)
    const relay = world.startRelay()
    const { reason } = await relay.until(({ state }) => state === "stopped")
    expect(reason?.code).toBe("relay_log_version_unknown")
    await world.sql`ALTER TABLE webhook_event_log DISABLE TRIGGER webhook_event_log_append_only`
    await world.sql`UPDATE webhook_event_log SET type_version = 1, provider = 'stripe'`
    await relay.until((status) => status.reason?.code === "relay_endpoint_unknown")
    await world.sql`UPDATE webhook_event_log SET provider = 'paypal'`
    await relay.until(isCaughtUp(3))
    expect((await facts(world, 1)).length).toBe(1)
  })

  it("names topics that are weaker than they should be", async ({ world }) => {
    const admin = world.kafka.admin()
    await admin.connect()
    await admin.createTopics({
      waitForLeaders: false, // a broker that just made a topic may deny it for a moment
      topics: [
        {
          topic: world.names.events,
          numPartitions: 3,
          replicationFactor: 1,
          configEntries: [{ name: "retention.ms", value: "1000" }]
        }
      ]
    })
    const relay = world.startRelay()
    const { findings } = await relay.until(({ state }) => state === "active")
    expect(findings).toEqual([
      { topic: world.names.events, setting: "partitions", found: "3", wanted: "12" },
      { topic: world.names.events, setting: "retention.ms", found: "1000", wanted: "-1" }
    ])
    expect(world.logs.filter((line) => line.startsWith("RELAY_TOPIC_WEAK")).length).toBe(2)
    await admin.disconnect()
  })
})
