import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { BillingFact } from "../../../src/domain/BillingFact.ts"
import { readFacts } from "../../../src/infra/providers/PayPalFacts.ts"
import { parseObject } from "../../../src/infra/providers/StrictJson.ts"
import { paypalOptions } from "./deliveries.ts"

const { pseudonym } = paypalOptions()
const TOKEN = pseudonym("8kk8451t")

type Body = Readonly<Record<string, unknown>>
const event = (event_type: string, resource: unknown, more: Body = {}): Body => ({
  id: "WH-1",
  create_time: "2026-01-02T03:04:05.678Z",
  event_type,
  resource,
  ...more
})

/** The facts of an event, or the failure's kind and code. */
const reading = (body: Body | string) =>
  Effect.runSync(
    Effect.result(
      readFacts(
        Result.getOrThrow(parseObject(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)))),
        pseudonym
      )
    ).pipe(
      Effect.map((result) =>
        Result.isSuccess(result)
          ? result.success.map(({ fact }) => fact)
          : `${result.failure.kind} ${result.failure.code}`
      )
    )
  )

const v2 = { currency_code: "USD", value: "10.00" }
const v1 = { total: "10.00", currency: "USD" }
const up = (path: string) => ({ links: [{ rel: "up", href: `https://api.paypal.com${path}` }] })
const disputed = {
  dispute_id: "PP-D-1",
  dispute_amount: v2,
  disputed_transactions: [{ seller_transaction_id: "C1", buyer_transaction_id: "B1" }]
}
const item = {
  payout_item_id: "I1",
  transaction_status: "SUCCESS",
  payout_item: { amount: { currency: "USD", value: "10.00" } }
}
const token = { id: "8kk8451t", customer: { id: "c1" } }

type Row = readonly [
  eventType: string,
  resource: unknown,
  fact: string,
  key: string,
  reference: string,
  amount: boolean
]

const rows: ReadonlyArray<Row> = [
  [
    "PAYMENT.AUTHORIZATION.CREATED",
    { id: "A1", amount: v2 },
    "payment.authorized",
    "authorization:A1:created",
    "A1",
    true
  ],
  [
    "PAYMENT.AUTHORIZATION.VOIDED",
    { id: "A1", amount: v1 },
    "payment.voided",
    "authorization:A1:voided",
    "A1",
    true
  ],
  ...["CAPTURE", "SALE"].flatMap(
    (kind): ReadonlyArray<Row> => [
      [
        `PAYMENT.${kind}.PENDING`,
        { id: "C1", amount: v2 },
        "payment.pending",
        "capture:C1:pending",
        "C1",
        true
      ],
      [
        `PAYMENT.${kind}.COMPLETED`,
        { id: "C1", amount: v1 },
        "payment.captured",
        "capture:C1:completed",
        "C1",
        true
      ],
      [`PAYMENT.${kind}.DENIED`, { id: "C1", amount: v2 }, "payment.denied", "capture:C1:denied", "C1", true],
      [`PAYMENT.${kind}.DECLINED`, { id: "C1" }, "payment.denied", "capture:C1:denied", "C1", false],
      [
        `PAYMENT.${kind}.REFUNDED`,
        { id: "R1", amount: v2, ...up("/v2/payments/captures/C1") },
        "payment.refunded",
        "refund:R1",
        "C1",
        true
      ],
      [
        `PAYMENT.${kind}.REVERSED`,
        { id: "R1", amount: v2, ...up("/v2/payments/captures/C1") },
        "payment.reversed",
        "reversal:R1",
        "C1",
        true
      ]
    ]
  ),
  ["CUSTOMER.DISPUTE.CREATED", disputed, "dispute.opened", "dispute:PP-D-1:WH-1", "C1", true],
  ["CUSTOMER.DISPUTE.UPDATED", disputed, "dispute.updated", "dispute:PP-D-1:WH-1", "C1", true],
  ["CUSTOMER.DISPUTE.RESOLVED", disputed, "dispute.resolved", "dispute:PP-D-1:WH-1", "C1", true],
  ...(
    [
      ["CREATED", "created"],
      ["ACTIVATED", "activated"],
      ["RE-ACTIVATED", "activated"],
      ["UPDATED", "updated"],
      ["SUSPENDED", "suspended"],
      ["CANCELLED", "cancelled"],
      ["EXPIRED", "expired"],
      ["PAYMENT.FAILED", "payment_failed"]
    ] as const
  ).map(
    ([word, fact]): Row => [
      `BILLING.SUBSCRIPTION.${word}`,
      { id: "I-1" },
      `subscription.${fact}`,
      "subscription:I-1:WH-1",
      "I-1",
      false
    ]
  ),
  ["PAYMENT.PAYOUTS-ITEM.SUCCEEDED", item, "payout.completed", "payout:I1:succeeded", "I1", true],
  ...["FAILED", "DENIED", "BLOCKED", "RETURNED", "CANCELED", "REFUNDED"].map(
    (word): Row => [
      `PAYMENT.PAYOUTS-ITEM.${word}`,
      item,
      "payout.failed",
      `payout:I1:${word.toLowerCase()}`,
      "I1",
      true
    ]
  ),
  ["VAULT.PAYMENT-TOKEN.CREATED", token, "method.created", `method:${TOKEN}:WH-1`, TOKEN, false],
  ["VAULT.PAYMENT-TOKEN.DELETED", token, "method.deleted", `method:${TOKEN}:WH-1`, TOKEN, false]
]

const NONE = [
  "CHECKOUT.ORDER.APPROVED",
  "CHECKOUT.ORDER.COMPLETED",
  "CHECKOUT.PAYMENT-APPROVAL.REVERSED",
  "PAYMENT.ORDER.CREATED",
  "PAYMENTS.PAYMENT.CREATED",
  "INVOICING.INVOICE.PAID",
  "BILLING.PLAN.CREATED",
  "BILLING.PLAN.PRICING-CHANGE.ACTIVATED",
  "PAYMENT.PAYOUTSBATCH.SUCCESS",
  "PAYMENT.PAYOUTS-ITEM.HELD",
  "PAYMENT.PAYOUTS-ITEM.UNCLAIMED",
  "VAULT.PAYMENT-TOKEN.DELETION-INITIATED",
  "RISK.DISPUTE.CREATED",
  "payment.capture.completed",
  "toString",
  "SOMETHING.NEW"
]

describe("what PayPal's events mean", () => {
  for (const [eventType, resource, type, key, reference, hasAmount] of rows) {
    it(`${eventType}: ${type}`, () => {
      const facts = reading(event(eventType, resource))
      if (typeof facts === "string") return assert.fail(facts)
      assert.lengthOf(facts, 1)
      const [fact] = facts
      assert.strictEqual(fact?.type, `billing.${type}.v1`)
      assert.strictEqual(fact?.effect_key, key)
      assert.strictEqual(fact?.payment_reference, reference)
      assert.deepStrictEqual(fact?.amount, hasAmount ? { value: "10.00", currency: "USD" } : null)
      assert.strictEqual(fact?.provider_event_type, eventType)
      assert.strictEqual(fact?.provider_event_id, "WH-1")
      assert.strictEqual(fact?.occurred_at, "2026-01-02T03:04:05.678Z")
      assert.strictEqual(fact?.confirmed_by, "signature")
      assert.isTrue(Schema.is(BillingFact)(fact))
    })
  }

  for (const eventType of NONE) {
    it(`${eventType}: no fact`, () => assert.deepStrictEqual(reading(event(eventType, { id: "X" })), []))
  }

  it("no event type, or one that is no text: no fact", () => {
    for (const body of [{}, { event_type: 7 }, { event_type: null, resource: [] }]) {
      assert.deepStrictEqual(reading(body), [])
    }
  })

  for (const [eventType, resource] of rows) {
    it(`${eventType} without what its fact needs: uninterpretable`, () => {
      const hollow: ReadonlyArray<unknown> = [{}, null, [], "x", undefined]
      for (const nothing of hollow) {
        assert.strictEqual(reading(event(eventType, nothing)), "permanent uninterpretable")
      }
      for (const id of [7, "", "a b", "a:b", "\u0000", "x".repeat(300)]) {
        const bad = { ...(resource as Body), id, dispute_id: id, payout_item_id: id }
        assert.strictEqual(reading(event(eventType, bad)), "permanent uninterpretable", JSON.stringify(id))
      }
    })
  }

  it("defect 9: a refund's capture is in its up link, not in its id", () => {
    const resource = { id: "REFUND1", amount: v2, ...up("/v2/payments/captures/CAPTURE1") }
    const facts = reading(event("PAYMENT.CAPTURE.REFUNDED", resource))
    if (typeof facts === "string") return assert.fail(facts)
    assert.deepInclude(facts[0], {
      payment_reference: "CAPTURE1",
      parent_reference: "CAPTURE1",
      object_id: "REFUND1"
    })
  })

  it("a refund of a sale names it in sale_id, or in a link", () => {
    for (const where of [
      { sale_id: "S1" },
      { links: [{ rel: "sale", href: "https://api.paypal.com/v1/payments/sale/S1" }] }
    ]) {
      const facts = reading(event("PAYMENT.SALE.REFUNDED", { id: "R1", amount: v1, ...where }))
      assert.strictEqual(typeof facts === "string" ? facts : facts[0]?.parent_reference, "S1")
    }
  })

  it("a refund whose up link leads to an order has no capture", () => {
    const resource = { id: "R1", amount: v2, ...up("/v2/checkout/orders/O1") }
    assert.strictEqual(reading(event("PAYMENT.CAPTURE.REFUNDED", resource)), "permanent uninterpretable")
  })

  it("a reversed sale that names no other is itself the payment; a refund object is not", () => {
    const sale = reading(event("PAYMENT.SALE.REVERSED", { id: "S1", amount: v1 }, { resource_type: "sale" }))
    assert.strictEqual(typeof sale === "string" ? sale : sale[0]?.payment_reference, "S1")
    const refund = reading(
      event("PAYMENT.CAPTURE.REVERSED", { id: "R1", amount: v2 }, { resource_type: "refund" })
    )
    assert.strictEqual(refund, "permanent uninterpretable")
  })

  it("a refund is the same amount with and without a minus sign, and never the running total", () => {
    for (const amount of [
      { total: "-0.99", currency: "USD" },
      { currency_code: "USD", value: "0.99" }
    ]) {
      const resource = {
        id: "R1",
        sale_id: "S1",
        amount,
        total_refunded_amount: { value: "5.00", currency: "USD" }
      }
      const facts = reading(event("PAYMENT.SALE.REFUNDED", resource))
      assert.strictEqual(typeof facts === "string" ? facts : facts[0]?.amount?.value, "0.99")
    }
  })

  it("dates that make no sense cost the date, not the event", () => {
    for (const create_time of [
      "2018-19-12T22:20:32.000Z",
      "2026-02-30T00:00:00Z",
      "soon",
      "",
      null,
      7,
      undefined
    ]) {
      const facts = reading(event("PAYMENT.SALE.COMPLETED", { id: "S1", amount: v1 }, { create_time }))
      assert.isNull(typeof facts === "string" ? facts : facts[0]?.occurred_at)
    }
    const facts = reading(
      event("PAYMENT.SALE.COMPLETED", { id: "S1", amount: v1 }, { create_time: "2026-01-01T01:00:00+02:00" })
    )
    assert.strictEqual(typeof facts === "string" ? facts : facts[0]?.occurred_at, "2025-12-31T23:00:00.000Z")
  })

  it("82 83: amounts are as they were written, and what is no amount is refused", () => {
    const captured = (amount: string) =>
      `{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"C1","amount":{"currency_code":"USD","value":${amount}}}}`
    for (const [written, value] of [
      ['"1.10"', "1.10"],
      ["1.0", "1.0"],
      ['"0"', "0"],
      ["12345678901234567890.12", "12345678901234567890.12"]
    ] as const) {
      const facts = reading(captured(written))
      assert.strictEqual(typeof facts === "string" ? facts : facts[0]?.amount?.value, value)
    }
    for (const written of [
      "1e400",
      '"1e3"',
      '"1,000.00"',
      '"NaN"',
      '""',
      "null",
      "[1]",
      "true",
      '"1.123456789"',
      `"${"9".repeat(30)}"`
    ]) {
      assert.strictEqual(reading(captured(written)), "permanent uninterpretable", written)
    }
  })

  it("a currency that is none is refused", () => {
    for (const currency_code of ["usd", "", "USDX", 840, undefined]) {
      const resource = { id: "C1", amount: { value: "1.00", currency_code } }
      assert.strictEqual(reading(event("PAYMENT.CAPTURE.COMPLETED", resource)), "permanent uninterpretable")
    }
  })

  it("a key that needs the event's id is none without it", () => {
    for (const id of [undefined, 7, "a b"]) {
      assert.strictEqual(
        reading(event("BILLING.SUBSCRIPTION.CREATED", { id: "I-1" }, { id })),
        "permanent uninterpretable"
      )
    }
  })

  it("97: a vault token and everything about persons stays out of the fact", () => {
    const resource = {
      id: "SENTINEL",
      customer: { id: "SENTINEL" },
      payment_source: { card: { name: "SENTINEL" } }
    }
    assert.notInclude(JSON.stringify(reading(event("VAULT.PAYMENT-TOKEN.CREATED", resource))), "SENTINEL")
    const captured = {
      id: "C1",
      amount: v2,
      payer: { email_address: "SENTINEL" },
      status: "SENTINEL WITH SPACES"
    }
    assert.notInclude(
      JSON.stringify(reading(event("PAYMENT.CAPTURE.COMPLETED", captured, { summary: "SENTINEL" }))),
      "SENTINEL"
    )
  })

  it.prop(
    "nothing but facts that fit their schema, or uninterpretable",
    [Schema.String, Schema.String, Schema.String],
    ([id, value, currency]) => {
      const body = event("PAYMENT.CAPTURE.COMPLETED", { id, amount: { value, currency_code: currency } })
      if (/\\ud[89a-f]/iu.test(JSON.stringify(body))) return
      const facts = reading(body)
      assert.isTrue(
        facts === "permanent uninterpretable" ||
          (typeof facts !== "string" && facts.every(Schema.is(BillingFact)))
      )
    }
  )
})
