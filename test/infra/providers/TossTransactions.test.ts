import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { makeRecentPayments } from "../../../src/infra/providers/TossTransactions.ts"
import { makeLocalServer } from "./localServer.ts"

/** A merchant with so many transactions, oldest first, as Toss pages them. */
const toss = (count: number) =>
  makeLocalServer(({ path }) => {
    const query = new URL(path, "http://toss").searchParams
    const begin = Number(query.get("startingAfter") ?? -1) + 1
    const length = Math.min(Number(query.get("limit")), count - begin)
    return {
      body: JSON.stringify(
        Array.from({ length }, (_, index) => ({
          transactionKey: String(begin + index),
          paymentKey: `p${begin + index}`,
          orderId: null
        }))
      )
    }
  })

describe("the merchant's own transactions", () => {
  it.live("are read to the newest one, however many there are, and told as they come", () =>
    Effect.gen(function* () {
      const { asked, origin } = yield* toss(61_000)
      const recent = makeRecentPayments({ apiOrigin: origin, secretKey: Redacted.make("test_sk") })
      const askedAtFirst: Array<number> = []
      let told = 0
      let newest: string | undefined
      yield* recent(Date.now(), (names) => {
        askedAtFirst.push(asked.length)
        told += names.length
        newest = names.at(-1)
      })
      assert.strictEqual(told, 61_000)
      assert.strictEqual(newest, "paymentKey p60999")
      assert.strictEqual(askedAtFirst[0], 1)
    }).pipe(Effect.scoped)
  )
})
