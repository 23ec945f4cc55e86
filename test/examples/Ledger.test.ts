import postgres from "postgres"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { balanceTable, readBalances } from "../../examples/ledger/balances.ts"
import { compareSums } from "../../examples/ledger/expectedSums.ts"
import { type BookedType, createTables, handlers } from "../../examples/ledger/ledger.ts"
import { fromMinor, toMinor } from "../../examples/ledger/minorUnits.ts"
import { freshSchema } from "../support/Services.ts"

let sql: postgres.Sql
beforeAll(async () => {
  sql = postgres((await freshSchema()).url, { max: 2, onnotice: () => {} })
  await createTables(sql)
  await createTables(sql)
})
afterAll(() => sql.end({ timeout: 2 }))

let ids = 0
/** Tells the ledger a fact, as the kit does: in a transaction of its own. */
const tell = (type: BookedType, reference: string, value: string, currency: string) => {
  ids += 1
  const event = {
    id: `e${ids}`,
    type,
    data: {
      endpoint: "paypal",
      environment: "simulated",
      payment_reference: reference,
      occurred_at: null,
      amount: { value, currency }
    }
  }
  const handler = handlers[type] as (event: unknown, context: unknown) => Promise<void>
  return sql.begin((tx) => handler(event, { sql: tx }))
}
const overdrawn = () => sql`SELECT payment_reference, minor FROM overdrawn`

describe("the ledger", () => {
  it("books a refund that comes before its capture, and shows the payment until the capture is here", async () => {
    await tell("billing.payment.refunded.v1", "C1", "4.00", "USD")
    expect([...(await overdrawn())]).toEqual([{ payment_reference: "C1", minor: "-400" }])
    await tell("billing.payment.captured.v1", "C1", "10.5", "USD")
    expect([...(await overdrawn())]).toEqual([])
    await tell("billing.deposit.received.v1", "T1", "35000", "KRW")
    await tell("billing.deposit.withdrawn.v1", "T1", "35000", "KRW")
    const balances = await readBalances(sql)
    const usd = balances.filter(({ currency }) => currency === "USD")
    expect(Object.fromEntries(usd.map(({ account, minor }) => [account, minor]))).toEqual({
      clearing: "650",
      refunds: "400",
      revenue: "-1050"
    })
    expect(balanceTable(balances).split("\n").at(-1)).toMatch(
      /^simulated {4}USD +6\.50 +-10\.50 +4\.00 +0 +0$/
    )
    const facts = [
      {
        type: "billing.payment.captured.v1",
        effect_key: "a",
        amount: { value: "10.50", currency: "USD" }
      },
      { type: "billing.payment.refunded.v1", effect_key: "b", amount: { value: "4", currency: "USD" } },
      { type: "billing.payment.authorized.v1", effect_key: "c", amount: { value: "9", currency: "EUR" } }
    ]
    const compared = compareSums({ facts, unanswered: { facts: [] } }, usd)
    expect(compared.map(({ isEqual }) => isEqual)).toEqual([true, true, true])
    const doubled = compareSums({ facts: facts.slice(0, 1), unanswered: { facts: [] } }, usd)
    expect(doubled.map(({ isEqual }) => isEqual)).toEqual([false, false, true])
  })

  it("is held to its rules by the database", async () => {
    const entry = (id: string, tx: postgres.TransactionSql) => tx`
      INSERT INTO entries (event_id, type, endpoint, environment, payment_reference) VALUES (${id}, 't', 'p', 'live', 'r')`
    await expect(sql.begin((tx) => entry("empty", tx))).rejects.toMatchObject({
      constraint_name: "entry_balances"
    })
    await expect(
      sql.begin(async (tx) => {
        await entry("lame", tx)
        await tx`INSERT INTO lines VALUES ('lame', 'clearing', 'USD', 100), ('lame', 'revenue', 'EUR', -100)`
      })
    ).rejects.toMatchObject({ constraint_name: "entry_balances" })
    await expect(sql`UPDATE lines SET minor = 1`).rejects.toMatchObject({ code: "23001" })
    await expect(sql`DELETE FROM entries`).rejects.toMatchObject({ code: "23001" })
  })

  it("counts in integers, and refuses what does not fit", () => {
    expect(toMinor({ value: "12345678901234567890.5", currency: "USD" })).toBe(1234567890123456789050n)
    expect(toMinor({ value: "-0.01000000", currency: "EUR" })).toBe(-1n)
    expect(toMinor({ value: "35000.00", currency: "KRW" })).toBe(35000n)
    expect(toMinor({ value: "1.234", currency: "KWD" })).toBe(1234n)
    for (const [value, currency] of [
      ["1.005", "USD"],
      ["0.5", "KRW"],
      ["1", "ZZZ"]
    ] as const)
      expect(() => toMinor({ value, currency })).toThrow(expect.objectContaining({ _tag: "Unprocessable" }))
    expect([fromMinor(-5n, 2), fromMinor(1050n, 2), fromMinor(7n, 0)]).toEqual(["-0.05", "10.50", "7"])
  })
})
