import { connect, createServer, type Socket } from "node:net"
import postgres from "postgres"
import { describe, expect } from "vitest"
import { migrateInbox } from "../../src/consumer/index.ts"
import { it, numbersOf, record, waitFor } from "./ConsumerWorld.ts"

/** A way to Postgres that can be cut: connections die and no new one comes up. */
const startBridge = async (url: string) => {
  const target = new URL(url)
  const { hostname, port } = target
  const sockets = new Set<Socket>()
  let isDown = false
  const server = createServer((client) => {
    if (isDown) return void client.destroy()
    const upstream = connect(Number(port), hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(from)
      from.on("error", () => {})
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  target.port = String(typeof address === "object" ? address?.port : "")
  return {
    url: target.href,
    cut: () => {
      isDown = true
      for (const socket of sockets) socket.destroy()
    },
    mend: () => {
      isDown = false
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

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
    expect(consumer.status().counts).toMatchObject({ handled: 1, retried: 0, deadLettered: 0 })
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
