import { describe, expect } from "vitest"
import { factId } from "../../../src/infra/kafka/FactId.ts"
import { consume } from "./Consumed.ts"
import { countFacts, NOTHING_WRONG } from "./Ledger.ts"
import { fact, prepare, startWriters, writeOne } from "./LogWriter.ts"
import { checkpoint, facts, isCaughtUp, it } from "./RelayFixture.ts"
import { waitFor } from "./RelayWorld.ts"

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
    // Its first look is over: what it counts from there is all of the noise.
    await relay.until(({ backlog, state }) => state === "active" && backlog === 0)
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

  it("is looked for at once when the gate beside it says so, and not only now and then", async ({
    world
  }) => {
    await prepare(world.sql, 1)
    const relay = world.startRelay({ pace: { busyMs: 60_000, idleMs: 60_000 } })
    await relay.until(({ backlog, state }) => state === "active" && backlog === 0)
    await writeOne(world.sql, "P1")
    relay.raise()
    await relay.until(isCaughtUp(2), 15_000)
  })

  it("has its offset written anew while nothing happens, before Kafka forgets it", async ({ world }) => {
    await prepare(world.sql, 1)
    await writeOne(world.sql, "P1")
    const relay = world.startRelay({ pace: { recommitMs: 300 } })
    await relay.until(isCaughtUp(2))
    const { transactions } = await relay.status()
    await relay.until((status) => status.transactions >= transactions + 2)
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
      await world.sql`
        SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint)
               = hashtextextended(current_schema() || '/' || ${world.names.transactionalId}, 0)`
      await waitFor("a leader", states, (all) => all.includes("active"))
    }
    await writers.done
    expect(await countFacts(world.sql, await facts(world, writers.written()))).toEqual(NOTHING_WRONG)
  })
})
