import { createRequire } from "node:module"
import { Context, Effect, Layer } from "effect"
import kafkajs from "kafkajs"
import { describe, expect } from "vitest"
import { Consumer, type StartOptions } from "../../src/consumer/index.ts"
import { it, numbersOf, record, waitFor } from "./ConsumerWorld.ts"

describe.concurrent("a consumer", { timeout: 60_000 }, () => {
  it("handles twin records once, and commits what it handled", async ({ world }) => {
    const one = record("P1", 1)
    await world.send([one, one, record("P1", 2), one])
    const consumer = await world.start()
    await waitFor("effects", world.effects, (effects) => effects.length >= 2)
    await waitFor("committed", world.committed, (sum) => sum === 4)
    expect(numbersOf(await world.effects())).toEqual({ P1: [1, 2] })
    expect(consumer.status()).toMatchObject({ state: "running", counts: { handled: 2, duplicates: 2 } })
    const lag = await consumer.lag()
    expect(lag.map(({ lag }) => lag)).toEqual([0, 0, 0])
  })

  it("keeps the order of each key while keys run side by side", async ({ world }) => {
    const payments = Array.from({ length: 20 }, (_, index) => `P${index}`)
    const records = Array.from({ length: 15 }, (_, n) => payments.map((payment) => record(payment, n + 1)))
    await world.send(records.flat())
    let most = 0
    let now = 0
    const consumer = await world.start({
      handlers: {
        "billing.payment.captured.v1": async ({ data, id }, { sql }) => {
          now += 1
          most = Math.max(most, now)
          await sql`SELECT pg_sleep(${Math.random() / 50})`
          await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
          now -= 1
        }
      }
    })
    await waitFor("effects", world.effects, (effects) => effects.length >= 300)
    const expected = Array.from({ length: 15 }, (_, n) => n + 1)
    expect(numbersOf(await world.effects())).toEqual(
      Object.fromEntries(payments.map((payment) => [payment, expected]))
    )
    expect(most).toBe(8)
    await consumer.stop()
    expect(await world.committed()).toBe(300)
  })

  it("shares the work with a second member, and takes it over again; nothing is doubled", async ({
    world
  }) => {
    const payments = Array.from({ length: 9 }, (_, index) => `P${index}`)
    const send = (from: number, to: number) =>
      world.send(
        Array.from({ length: to - from }, (_, index) =>
          payments.map((payment) => record(payment, from + index + 1))
        ).flat()
      )
    await send(0, 20)
    const slowly = {
      handlers: {
        "billing.payment.captured.v1": async ({ data, id }, { sql }) => {
          await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
          await sql`SELECT pg_sleep(0.05)`
        }
      }
    } satisfies Partial<StartOptions>
    const first = await world.start(slowly)
    await waitFor("effects", world.effects, (effects) => effects.length >= 20)
    const second = await world.start(slowly)
    await waitFor("second", second.status, ({ assigned }) => assigned.length > 0)
    await send(20, 30)
    await waitFor("second", second.status, ({ counts }) => counts.handled > 0)
    await first.stop()
    await waitFor("effects", world.effects, (effects) => effects.length >= 270)
    await waitFor("committed", world.committed, (sum) => sum === 270)
    const expected = Array.from({ length: 30 }, (_, n) => n + 1)
    expect(numbersOf(await world.effects())).toEqual(
      Object.fromEntries(payments.map((payment) => [payment, expected]))
    )
  })

  it("stops: a handler at work ends, nothing new begins, offsets stand, the group is left", async ({
    world
  }) => {
    await world.send([record("P1", 1), record("P1", 2)])
    let go = () => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const consumer = await world.start({
      handlers: {
        "billing.payment.captured.v1": async ({ data, id }, { sql }) => {
          await gate
          await sql`INSERT INTO effects (event_id, payment, n) VALUES (${id}, ${data.payment_reference}, ${Number(data.object_id)})`
        }
      }
    })
    await waitFor("handler", consumer.status, ({ inFlight }) => inFlight === 1)
    const stopped = consumer.stop()
    go()
    await stopped
    expect(numbersOf(await world.effects())).toEqual({ P1: [1] })
    expect(await world.committed()).toBe(1)
    expect(consumer.status().state).toBe("stopped")
    const { groups } = await world.admin.describeGroups([world.groupId])
    expect(groups[0]).toMatchObject({ state: "Empty", members: [] })
  })

  it("sees committed transactions only, and leaves nothing behind them uncommitted", async ({ world }) => {
    const producer = world.kafka.producer({
      transactionalId: world.prefix,
      idempotent: true,
      maxInFlightRequests: 1
    })
    await producer.connect()
    for (const [n, end] of [
      [1, "commit"],
      [2, "abort"],
      [3, "commit"],
      [4, "abort"]
    ] as const) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: world.topic, messages: [record("P1", n)] })
      await transaction[end]()
    }
    await producer.disconnect()
    const consumer = await world.start()
    await waitFor("lag", consumer.lag, (lag) => lag.every((partition) => partition.lag === 0))
    expect(numbersOf(await world.effects())).toEqual({ P1: [1, 3] })
  })

  it("outlives what kafkajs does not: a new consumer takes the place of the crashed one", async ({
    world
  }) => {
    await world.send([record("P1", 1)])
    const consumer = await world.start()
    await waitFor("effects", world.effects, (effects) => effects.length === 1)
    const { prototype } = createRequire(import.meta.url)("kafkajs/src/consumer/consumerGroup") as {
      prototype: { groupId: string; fetch: (nodeId: number) => Promise<unknown> }
    }
    const { fetch } = prototype
    // What kafkajs takes for final, from the heart of its loop; the other tests' groups are left in peace.
    prototype.fetch = async function (nodeId) {
      if (this.groupId === world.groupId) throw new kafkajs.KafkaJSNonRetriableError("crash")
      return fetch.call(this, nodeId)
    }
    await waitFor("crash", consumer.status, ({ counts }) => counts.reconnects >= 1)
    prototype.fetch = fetch
    await world.send([record("P1", 2)])
    await waitFor("effects", world.effects, (effects) => effects.length === 2)
    expect(numbersOf(await world.effects())).toEqual({ P1: [1, 2] })
  })

  it("serves Effect programs as a layer, with services for its handlers", async ({ world }) => {
    class Greeting extends Context.Service<Greeting, { readonly text: string }>()("test/Greeting") {}
    await world.send([record("P1", 1)])
    const seen: Array<string> = []
    const layer = Consumer.layer({
      ...world,
      topics: [world.topic],
      unknownTypes: "skip",
      handlers: {
        "billing.payment.captured.v1": ({ id }, sql) =>
          Effect.gen(function* () {
            seen.push((yield* Greeting).text)
            yield* Effect.promise(() => sql`INSERT INTO effects VALUES (DEFAULT, ${id}, 'P1', 1)`)
          })
      }
    }).pipe(Layer.provide(Layer.succeed(Greeting, { text: "hello" })))
    await Effect.runPromise(
      Effect.gen(function* () {
        const consumer = yield* Consumer
        while ((yield* consumer.status).counts.handled === 0) yield* Effect.sleep(20)
      }).pipe(Effect.provide(layer))
    )
    expect(seen).toEqual(["hello"])
    expect(await world.committed()).toBe(1)
  })

  it("refuses options that contradict each other", async ({ world }) => {
    await expect(world.start({ topics: [`dlq.${world.groupId}`] })).rejects.toMatchObject({
      _tag: "ConsumerRefused"
    })
    await expect(world.start({ concurrency: 0 })).rejects.toThrow("concurrency is less than 1")
  })
})
