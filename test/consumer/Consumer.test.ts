import { describe, expect } from "vitest"
import { it, numbersOf, record, waitFor } from "./ConsumerWorld.ts"

describe.concurrent("a consumer", () => {
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
})
