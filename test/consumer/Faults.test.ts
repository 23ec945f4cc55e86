import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import postgres from "postgres"
import { describe, expect } from "vitest"
import { migrateInbox } from "../../src/consumer/index.ts"
import { startBridge } from "./Bridge.ts"
import { it, numbersOf, record, type World, waitFor } from "./ConsumerWorld.ts"

const main = fileURLToPath(new URL("./consumer-process.ts", import.meta.url))
const runtime = "Deno" in globalThis ? ["run", "-A"] : []

const consumerProcess = ({ url, brokers, topic, groupId }: World, mode: "hang" | "late") =>
  spawn(process.execPath, [...runtime, main], {
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      DATABASE_URL: url,
      BROKERS: brokers.join(","),
      TOPIC: topic,
      GROUP: groupId,
      MODE: mode
    },
    stdio: ["ignore", "pipe", "inherit"]
  })

const kill = async (child: ReturnType<typeof consumerProcess>) => {
  const ended = once(child, "exit")
  child.kill("SIGKILL")
  await ended
}

const records = [1, 2, 3, 4].flatMap((n) => [record("P1", n), record("P2", n)])
const ALL = { P1: [1, 2, 3, 4], P2: [1, 2, 3, 4] }

// Mostly waiting for the session of a dead member to end: in one file, so at the same time.
describe.concurrent("kill -9 of a consumer", { timeout: 60_000 }, () => {
  it("in the middle of a handler: its work is undone with it, and done once by the next", async ({
    world
  }) => {
    await world.send(records)
    const child = consumerProcess(world, "hang")
    try {
      await once(child.stdout, "data")
      // What was handled is committed, up to what is not.
      await waitFor("committed", world.committed, (sum) => sum > 0)
    } finally {
      await kill(child)
    }
    expect((await world.effects()).filter(({ n }) => n > 1)).toEqual([])
    await world.start()
    await waitFor("effects", world.effects, (effects) => effects.length >= 8)
    await waitFor("committed", world.committed, (sum) => sum === 8)
    expect(numbersOf(await world.effects())).toEqual(ALL)
  })

  it("between the commit of its database and that of its offsets: nothing is done again", async ({
    world
  }) => {
    await world.send(records)
    const child = consumerProcess(world, "late")
    try {
      await waitFor("effects", world.effects, (effects) => effects.length === 8)
    } finally {
      await kill(child)
    }
    expect(await world.committed()).toBe(0)
    const consumer = await world.start()
    await waitFor("committed", world.committed, (sum) => sum === 8)
    expect(numbersOf(await world.effects())).toEqual(ALL)
    expect(consumer.status().counts).toMatchObject({ handled: 0, duplicates: 8 })
  })
})

// Longer than the session of the group, and beside the two above.
describe.concurrent("a handler that takes its time", { timeout: 60_000 }, () => {
  it("costs nobody the membership: the group hears of the member all the while", async ({ world }) => {
    await world.send([record("P1", 1)])
    const members = async () => {
      const { groups } = await world.admin.describeGroups([world.groupId])
      return groups[0]!.members.map(({ memberId }) => memberId)
    }
    let calls = 0
    let atBegin: ReadonlyArray<string> = []
    await world.start({
      handlers: {
        "billing.payment.captured.v1": async ({ id }, { sql }) => {
          calls += 1
          atBegin = await members()
          await sql`SELECT pg_sleep(7)`
          await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, 'P1', 1)`
        }
      }
    })
    await waitFor("committed", world.committed, (sum) => sum === 1)
    expect(atBegin).toHaveLength(1)
    expect(await members()).toEqual(atBegin)
    expect(calls).toBe(1)
  })
})

describe.concurrent("the consumer's own database", { timeout: 60_000 }, () => {
  it("goes away: the consumer pauses, blames no record, and goes on by itself", async ({ world }) => {
    const bridge = await startBridge(world.url)
    const sql = postgres(bridge.url, { max: 4, onnotice: () => {}, connect_timeout: 2, backoff: () => 0.1 })
    const payments = Array.from({ length: 5 }, (_, index) => `P${index}`)
    await world.send(
      Array.from({ length: 40 }, (_, n) => payments.map((payment) => record(payment, n + 1))).flat()
    )
    const consumer = await world.start({
      sql,
      handlers: {
        "billing.payment.captured.v1": async ({ data, id }, { sql: tx }) => {
          try {
            await tx`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
          } catch {
            // What handlers do: the driver's word is lost, and only the connection knows.
            throw new Error("could not book")
          }
          await tx`SELECT pg_sleep(0.01)`
        }
      }
    })
    for (const at of [20, 80]) {
      await waitFor("effects", world.effects, (effects) => effects.length >= at)
      bridge.cut()
      await waitFor("paused", consumer.status, ({ state }) => state === "paused")
      await waitFor("handlers", consumer.status, ({ inFlight }) => inFlight === 0)
      bridge.mend()
      await waitFor("running", consumer.status, ({ state }) => state === "running")
    }
    await waitFor("effects", world.effects, (effects) => effects.length >= 200)
    await waitFor("committed", world.committed, (sum) => sum === 200)
    const expected = Array.from({ length: 40 }, (_, n) => n + 1)
    expect(numbersOf(await world.effects())).toEqual(
      Object.fromEntries(payments.map((payment) => [payment, expected]))
    )
    expect(consumer.status().counts).toMatchObject({ deadLettered: 0, retried: 0, reconnects: 0 })
    await consumer.stop()
    await sql.end({ timeout: 1 })
    bridge.close()
  })

  it("has no inbox and may not get one: paused until it has", async ({ world }) => {
    await world.send([record("P1", 1)])
    const consumer = await world.start({ migrate: false })
    const paused = await waitFor("paused", consumer.status, ({ state }) => state === "paused")
    expect(paused.reason).toBe("42P01")
    await migrateInbox(world.sql)
    await waitFor("effects", world.effects, (effects) => effects.length === 1)
    // Committed first, counted then.
    const { counts } = await waitFor("count", consumer.status, ({ counts: { handled } }) => handled > 0)
    expect(counts).toMatchObject({ handled: 1, retried: 0, deadLettered: 0 })
  })

  it("takes no more writes: paused until it does", async ({ world }) => {
    const sql = postgres(world.url, { max: 3, connection: { default_transaction_read_only: true } })
    await world.send([record("P1", 1)])
    const consumer = await world.start({ sql })
    const paused = await waitFor("paused", consumer.status, ({ state }) => state === "paused")
    expect(paused.reason).toBe("25006")
    expect(paused.counts).toMatchObject({ retried: 0, deadLettered: 0 })
    await consumer.stop()
    await sql.end({ timeout: 1 })
    await world.start()
    await waitFor("effects", world.effects, (effects) => effects.length === 1)
  })

  it("is left in peace by a handler whose time is over", async ({ world }) => {
    await world.send([record("P1", 1), record("P2", 1)])
    let late: unknown
    const consumer = await world.start({
      handlerTimeoutMs: 150,
      retry: { maxAttempts: 1 },
      handlers: {
        "billing.payment.captured.v1": async ({ data, id }, { sql, signal }) => {
          const book = () =>
            sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, 1)`
          if (data.payment_reference === "P2") return book()
          await new Promise((resolve) => signal.addEventListener("abort", resolve))
          try {
            await book()
          } catch (error) {
            late = error
          }
        }
      }
    })
    await waitFor("dead letter", consumer.status, ({ counts }) => counts.deadLettered === 1)
    await waitFor(
      "late query",
      () => late,
      (error) => error !== undefined
    )
    expect(late).toMatchObject({ name: "TransactionOver" })
    await waitFor("committed", world.committed, (sum) => sum === 2)
    expect(numbersOf(await world.effects())).toEqual({ P2: [1] })
  })
})
