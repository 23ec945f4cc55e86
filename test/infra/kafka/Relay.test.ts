import kafkajs from "kafkajs"
import { describe, expect, it as plain } from "vitest"
import { factId } from "../../../src/infra/kafka/FactId.ts"
import { consume } from "./Consumed.ts"
import { countFacts, NOTHING_WRONG } from "./Ledger.ts"
import { fact, prepare, startWriters, writeBulk, writeOne } from "./LogWriter.ts"
import { openWorld, type World, waitFor } from "./RelayWorld.ts"

// Mostly waiting, and each in a world of its own: at the same time.
const it = plain.extend<{ readonly world: World }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner reads the names of the fixtures that it needs
  world: async ({}, use) => {
    const world = await openWorld()
    await use(world)
    await world.close()
  }
})

const isCaughtUp = (records: number) => (status: { records: { events: number; outcomes: number } }) =>
  status.records.events + status.records.outcomes >= records
const facts = (world: World, enough: number) =>
  consume(world.kafka, world.prefix, [world.names.events], enough)
const checkpoint = (world: World) =>
  world.sql<
    Array<{ batch: string; open: boolean; nonce: string }>
  >`SELECT batch, nonce, confirmed_at IS NULL AS open FROM relay_checkpoint ORDER BY batch DESC`

describe.concurrent("what is in the log", () => {
  it("is in Kafka, once, in order, with the headers of the contract", async ({ world }) => {
    await prepare(world.sql, 5)
    const relay = world.startRelay()
    await startWriters(world.sql, { writers: 5, keys: 5, stop: (written) => written >= 60 }).done

    await relay.until(isCaughtUp(120))
    const records = await consume(world.kafka, world.prefix, [world.names.events, world.names.outcomes], 120)

    expect(records.length).toBe(120)
    const events = records.filter(({ topic }) => topic === world.names.events)
    expect(await countFacts(world.sql, events)).toEqual(NOTHING_WRONG)
    const [log] = await world.sql`
      SELECT position, event_id, at FROM webhook_event_log WHERE type = 'BillingEventRecorded' ORDER BY position LIMIT 1`
    const first = events.find(({ headers }) => Number(headers.ce_sequence) === Number(log!.position))!
    const { payment_reference: payment, effect_key } = first.data as Record<string, string>
    expect(first.key).toBe(`paypal/${payment}`)
    const { type, ...fields } = fact(payment!, 1)
    expect(first.data).toEqual({
      endpoint: "paypal",
      provider: "paypal",
      environment: "simulated",
      dedup_key: `ev_${payment}`,
      ...fields
    })
    expect(first.headers).toEqual({
      ce_specversion: "1.0",
      ce_id: factId("paypal", effect_key!),
      ce_source: "/oncegate/paypal",
      ce_type: type,
      ce_dataschema: `urn:oncegate:schema:${type}`,
      ce_subject: payment,
      ce_time: log!.at.toISOString(),
      ce_sequence: String(log!.position).padStart(20, "0"),
      "content-type": "application/json"
    })
    const outcomes = records.filter(({ topic }) => topic === world.names.outcomes)
    expect(outcomes.length).toBe(60)
    expect(new Set(records.map(({ headers }) => headers.ce_id)).size).toBe(120)
    const ofFirst = outcomes.find(({ data }) => (data.facts as Array<string>)[0] === first.headers.ce_id)
    expect(ofFirst).toMatchObject({
      key: `paypal/ev_${payment}`,
      headers: { ce_type: "oncegate.webhook.processed.v1", ce_subject: `ev_${payment}` },
      data: { state: "done", provider: "paypal", facts_count: 1 }
    })
  })

  it("goes to the partition that Java's clients would choose", async ({ world }) => {
    await prepare(world.sql, 4)
    for (const payment of ["P1", "P2", "P3", "P4"]) await writeOne(world.sql, payment)
    await world.startRelay().until(isCaughtUp(8))
    const records = await facts(world, 4)
    // org.apache.kafka.common.utils.Utils: toPositive(murmur2("paypal/P1")) % 12, and so on
    expect(Object.fromEntries(records.map(({ key, partition }) => [key, partition]))).toEqual({
      "paypal/P1": 3,
      "paypal/P2": 9,
      "paypal/P3": 4,
      "paypal/P4": 3
    })
  })

  it("is passed by without a checkpoint where no topic wants it, and not for ever", async ({ world }) => {
    const relay = world.startRelay({ pace: { advanceRows: 100 } })
    await relay.until(({ state }) => state === "active")
    const noise = (rows: number) => world.sql`
      INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
      SELECT 'paypal', 'k' || k, 1, 'Claimed', '{}' FROM generate_series(1, ${rows}::int) k`
    await noise(50)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await checkpoint(world)).length).toBe(1)
    await noise(60)
    await waitFor(
      "advance",
      () => checkpoint(world),
      (rows) => rows.length === 2 && rows.every(({ open }) => !open)
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await checkpoint(world)).length).toBe(2)
  })

  it("fits into Kafka's batches, though a burst shares one key", async ({ world }) => {
    await world.sql`
      INSERT INTO webhook_event_log (provider, dedup_key, version, type, data)
      SELECT 'paypal', 'ev_same', k, 'BillingEventRecorded', jsonb_build_object('fact', ${world.sql.json(fact("same", 1))}
               || jsonb_build_object('effect_key', 'k' || k, 'provider_event_id', repeat('x', 255)))
        FROM generate_series(1, 2000) k`
    await world.startRelay().until(isCaughtUp(2000))
    const records = await facts(world, 2000)
    expect(records.map(({ data }) => data.effect_key)).toEqual(
      Array.from({ length: 2000 }, (_, i) => `k${i + 1}`)
    )
  })
})

describe.concurrent("two relays", () => {
  it("share one lock: the second stands by and takes over where the first stopped", async ({ world }) => {
    await prepare(world.sql, 10)
    const first = world.startRelay()
    await first.until(({ state }) => state === "active")
    const second = world.startRelay()
    await second.until(({ state }) => state === "standby")
    const writers = startWriters(world.sql, { writers: 4, keys: 10, stop: (written) => written >= 200 })
    await first.until(isCaughtUp(100))
    await first.stop()
    await second.until(({ state }) => state === "active")
    await writers.done
    await waitFor("second", second.status, ({ backlog }) => backlog === 0)

    expect(await countFacts(world.sql, await facts(world, writers.written()))).toEqual(NOTHING_WRONG)
    expect((await checkpoint(world)).filter(({ open }) => open)).toEqual([])
  })

  it("change over at once when the active one loses its session", async ({ world }) => {
    await prepare(world.sql, 10)
    const relays = [world.startRelay(), world.startRelay()]
    const states = () => Promise.all(relays.map(async (relay) => (await relay.status()).state))
    await waitFor("relays", states, (all) => all.includes("active") && all.includes("standby"))
    const writers = startWriters(world.sql, {
      writers: 4,
      keys: 10,
      stop: (written) => written >= 300,
      pauseMs: 5
    })
    for (let round = 0; round < 3; round++) {
      await new Promise((resolve) => setTimeout(resolve, 150))
      await world.sql`SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                       WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'oncegate relay'`
      await waitFor("a leader", states, (all) => all.includes("active"))
    }
    await writers.done
    expect(await countFacts(world.sql, await facts(world, writers.written()))).toEqual(NOTHING_WRONG)
  })
})

describe.concurrent("the checkpoint", () => {
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

describe.concurrent("trouble", () => {
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

  it("names topics that are weaker than they should be", async ({ world }) => {
    const admin = world.kafka.admin()
    await admin.connect()
    await admin.createTopics({
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
