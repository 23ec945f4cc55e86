import { createHmac } from "node:crypto"
import { assert, beforeAll, describe, it } from "vitest"
import { FactType } from "../../../src/domain/BillingFact.ts"
import { DedupKey } from "../../../src/domain/DedupKey.ts"
import { EffectKey } from "../../../src/domain/EffectKey.ts"
import { Money } from "../../../src/domain/Money.ts"
import * as Cast from "../../../src/infra/simulator/Cast.ts"
import { makeChain } from "../../../src/infra/simulator/Certificates.ts"
import * as Expectation from "../../../src/infra/simulator/Expectation.ts"
import type { Story } from "../../../src/infra/simulator/SimulatedEvent.ts"

const CURRENT = "a".repeat(64)
const RETIRED = "b".repeat(64)
const NOW = Date.UTC(2026, 10, 20)
const eventsOf = (stories: ReadonlyArray<Story>) =>
  stories.flatMap((story) => story.flatMap((act) => act.events))

let who: Parameters<typeof Cast.stories>[0]
beforeAll(async () => {
  who = {
    origin: "http://127.0.0.1:1",
    identity: {
      webhookId: "WEBHOOK",
      clientId: "",
      clientSecret: "",
      tossSecretKey: "",
      securityKeys: [CURRENT],
      retiredSecurityKey: RETIRED,
      certificateId: "CERT-1",
      ...(await makeChain(NOW))
    }
  }
})

const tell = (
  endpoint: "paypal" | "toss",
  count: number,
  options: Partial<Cast.CastOptions> = {}
): Array<Story> => Cast.stories(who, [endpoint], count, { seed: "one", copies: 2, now: NOW, ...options })

describe.each(["paypal", "toss"] as const)("the stories of %s", (endpoint) => {
  it("tell as many events as asked for, each known by a key of its own", () => {
    for (const count of [1, 2, 7, 150]) {
      const keys = eventsOf(tell(endpoint, count)).map(({ dedupKey }) => dedupKey)
      assert.strictEqual(keys.length, count)
      assert.strictEqual(new Set(keys).size, count)
      for (const key of keys) DedupKey.make(key)
    }
  })

  it("are the same for the same seed, however many copies are sent", () => {
    const told = eventsOf(tell(endpoint, 120))
    const again = eventsOf(tell(endpoint, 120, { copies: 5, now: NOW + 60_000 }))
    assert.deepEqual(
      again.map(({ body }) => body.toString("utf8")),
      told.map(({ body }) => body.toString("utf8"))
    )
    assert.deepEqual(
      again.map(({ facts }) => facts),
      told.map(({ facts }) => facts)
    )
    assert.deepEqual(
      again.map(({ dedupKey }) => dedupKey),
      told.map(({ dedupKey }) => dedupKey)
    )
  })

  it("are others for another seed", () => {
    const keys = new Set(eventsOf(tell(endpoint, 120)).map(({ dedupKey }) => dedupKey))
    const others = eventsOf(tell(endpoint, 120, { seed: "two" }))
    assert.isTrue(others.every(({ dedupKey }) => !keys.has(dedupKey)))
  })

  it("expect facts that agree with each other and fit the schemas", () => {
    const known = new Map<string, string>()
    for (const { facts } of eventsOf(tell(endpoint, 400))) {
      for (const fact of facts) {
        assert.include(FactType.literals, fact.type)
        EffectKey.make(fact.effect_key)
        if (fact.amount !== null) Money.make(fact.amount)
        const text = JSON.stringify(fact)
        assert.strictEqual(known.get(fact.effect_key) ?? text, text, "one effect key, two facts")
        known.set(fact.effect_key, text)
      }
    }
    assert.isAbove(known.size, 100)
  })

  it("never name a buyer or a secret in what they expect", () => {
    const text = JSON.stringify(Expectation.planned("one", eventsOf(tell(endpoint, 400))))
    for (const word of ["@", "토스", "Buyer", "secret", "ps_"]) assert.notInclude(text, word)
  })
})

describe("PayPal's stories", () => {
  it("cover the table of events", () => {
    const types = new Set(eventsOf(tell("paypal", 1500)).map(({ eventType }) => eventType))
    for (const type of [
      "PAYMENT.CAPTURE.COMPLETED",
      "PAYMENT.CAPTURE.PENDING",
      "PAYMENT.CAPTURE.DENIED",
      "PAYMENT.CAPTURE.REFUNDED",
      "PAYMENT.CAPTURE.REVERSED",
      "PAYMENT.SALE.COMPLETED",
      "PAYMENT.SALE.REFUNDED",
      "PAYMENT.AUTHORIZATION.VOIDED",
      "BILLING.SUBSCRIPTION.PAYMENT.FAILED",
      "CUSTOMER.DISPUTE.RESOLVED",
      "PAYMENT.PAYOUTS-ITEM.RETURNED",
      "CHECKOUT.ORDER.APPROVED"
    ]) {
      assert.isTrue(types.has(type), type)
    }
    assert.isFalse(
      [...types].some((type) => type.startsWith("VAULT.")),
      "nobody said how tokens are written"
    )
  })

  it("tell of the vault where the gate's pseudonyms are known", () => {
    const told = eventsOf(tell("paypal", 400, { pseudonym: (token) => `hmac-of-${token.length}` }))
    const vault = told.filter(({ eventType }) => eventType.startsWith("VAULT."))
    assert.isAbove(vault.length, 0)
    for (const { facts } of vault) assert.include(facts[0]!.effect_key, "method:hmac-of-8:")
  })

  it("repeat most transmissions and sign some anew", () => {
    const ids = eventsOf(tell("paypal", 100, { copies: 3 })).map(
      ({ copies }) => new Set(copies.map((headers) => headers["paypal-transmission-id"])).size
    )
    assert.isAbove(ids.filter((size) => size === 1).length, 50)
    assert.isAbove(ids.filter((size) => size > 1).length, 5)
  })

  it("use the amounts of both versions of the API", () => {
    const bodies = eventsOf(tell("paypal", 200)).map(({ body }) => body.toString("utf8"))
    assert.isTrue(bodies.some((body) => body.includes('"currency_code"')))
    assert.isTrue(bodies.some((body) => body.includes('"total"')))
  })
})

describe("Toss's stories", () => {
  it("tell a deposit twice, in two shapes, for one fact", () => {
    const act = tell("toss", 300)
      .flat()
      .find(
        ({ events }) => events.length === 2 && events[0]!.facts[0]?.type === "billing.deposit.received.v1"
      )
    const [one, other] = act!.events
    assert.sameMembers([one!.eventType, other!.eventType], ["PAYMENT_STATUS_CHANGED", "DEPOSIT_CALLBACK"])
    assert.notStrictEqual(one!.dedupKey, other!.dedupKey)
    assert.deepEqual(one!.facts, other!.facts)
    const flat = JSON.parse(
      act!.events.find(({ eventType }) => eventType === "DEPOSIT_CALLBACK")!.body.toString()
    )
    assert.hasAllKeys(flat, ["createdAt", "secret", "status", "transactionKey", "orderId"])
    assert.match(flat.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
  })

  it("tell a payment and two partial cancels at once, for three facts of their own amounts", () => {
    const act = tell("toss", 300)
      .flat()
      .find(({ events }) => events.length === 3)
    const payment = act!.payments[0]! as { totalAmount: number; cancels: Array<{ cancelAmount: number }> }
    for (const { facts } of act!.events) {
      assert.deepEqual(
        facts.map(({ amount }) => amount?.value),
        [payment.totalAmount, ...payment.cancels.map(({ cancelAmount }) => cancelAmount)].map(String)
      )
    }
  })

  it("sign payouts with two values, one of them under the gate's key", () => {
    const signed = eventsOf(tell("toss", 400)).filter(
      ({ copies }) => copies[0]!["tosspayments-webhook-signature"]
    )
    assert.isAbove(signed.length, 5)
    for (const { body, copies, eventType } of signed) {
      assert.include(["payout.changed", "seller.changed"], eventType)
      const headers = copies[0]!
      const time = headers["tosspayments-webhook-transmission-time"]
      const values = headers["tosspayments-webhook-signature"]!.split(",")
      assert.strictEqual(values.length, 2)
      const mac = (key: string | Buffer) =>
        `v1:${createHmac("sha256", key).update(body).update(`:${time}`).digest("base64")}`
      const own = [mac(CURRENT), mac(Buffer.from(CURRENT, "hex"))]
      assert.strictEqual(values.filter((value) => own.includes(value)).length, 1)
    }
  })

  it("keep the transmission id over retries", () => {
    for (const { copies, dedupKey } of eventsOf(tell("toss", 20, { copies: 3 }))) {
      assert.deepEqual(
        copies.map((headers) => headers["tosspayments-webhook-transmission-retried-count"]),
        ["0", "1", "2"]
      )
      for (const headers of copies)
        assert.strictEqual(`tx_${headers["tosspayments-webhook-transmission-id"]}`, dedupKey)
    }
  })

  it("withdraw only what was received in the same story", () => {
    for (const story of tell("toss", 400)) {
      let received = false
      for (const { facts } of story.flatMap((act) => act.events)) {
        received ||= facts.some(({ type }) => type === "billing.deposit.received.v1")
        if (facts.some(({ type }) => type === "billing.deposit.withdrawn.v1")) assert.isTrue(received)
      }
    }
  })
})
