import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DedupKey } from "../../../src/domain/DedupKey.ts"
import * as Toss from "../../../src/infra/providers/Toss.ts"
import { NOW, readingOf } from "./deliveries.ts"
import { type Asked, makeLocalServer, type Reply } from "./localServer.ts"
import { payout, signedDelivery, tossOptions, unsignedDelivery } from "./tossEvents.ts"

type Fields = Readonly<Record<string, unknown>>

const APPROVED = "2026-01-15T20:00:00+09:00"
const approved = { status: "DONE", approvedAt: APPROVED, lastTransactionKey: "T1" }
const account = { method: "가상계좌", virtualAccount: { bankCode: "20" } }
const cancel = (transactionKey: string, more: Fields = {}) => ({
  transactionKey,
  cancelAmount: 300,
  cancelStatus: "DONE",
  canceledAt: "2026-01-15T20:30:00+09:00",
  ...more
})

/** A payment as Toss's API answers it. */
const payment = (fields: Fields = {}): Fields => ({
  paymentKey: "pk1",
  orderId: "order-1",
  method: "카드",
  status: "READY",
  currency: "KRW",
  totalAmount: 1000,
  requestedAt: "2026-01-15T19:59:00+09:00",
  approvedAt: null,
  lastTransactionKey: null,
  virtualAccount: null,
  cancels: null,
  ...fields
})

const changed = (data: unknown, createdAt = "2026-01-15T20:59:59.123456") =>
  JSON.stringify({ eventType: "PAYMENT_STATUS_CHANGED", createdAt, data })
const deposit = (fields: Fields = {}, createdAt = "2026-01-15T20:59:59.123456") =>
  JSON.stringify({
    createdAt,
    secret: "ps_1",
    status: "DONE",
    transactionKey: "T1",
    orderId: "order-1",
    ...fields
  })

/** The adapter, and a server that plays Toss's API, at the time of these tests. */
const given = Effect.fnUntraced(function* (answer: Fields | ((asked: Asked) => Reply | null)) {
  yield* TestClock.setTime(NOW)
  const reply = typeof answer === "function" ? answer : () => ({ body: JSON.stringify(answer) })
  const server = yield* makeLocalServer(reply)
  const provider = yield* Toss.make(tossOptions({ apiOrigin: server.origin }))
  return { server, provider }
})

/** Facts in short form, the note where there are none, or the failure. */
const short = (reading: Effect.Success<ReturnType<typeof readingOf>>) =>
  reading.failed !== undefined
    ? reading.failed
    : reading.facts.length === 0
      ? `none: ${reading.note}`
      : reading.facts
          .map(({ fact, onlyAfter }) =>
            [
              fact.effect_key,
              fact.amount?.value,
              ...(onlyAfter === undefined ? [] : [`after ${onlyAfter}`])
            ].join(" ")
          )
          .join(", ")

type Row = readonly [name: string, event: string, answer: Fields, expected: string]

const CAPTURED = `payment:pk1:captured:${APPROVED} 1000`
const RECEIVED = `deposit:pk1:received:${APPROVED} 1000`
const withdrawn = (key: string) => `deposit:pk1:withdrawn:${key} 1000 after deposit:pk1:received:`

const rows: ReadonlyArray<Row> = [
  ["approved", changed(payment(approved)), payment(approved), CAPTURED],
  [
    "cancelled since",
    changed(payment(approved)),
    payment({ ...approved, status: "CANCELED", cancels: [cancel("T2", { cancelAmount: 1000 })] }),
    `${CAPTURED}, cancel:pk1:T2 1000`
  ],
  [
    "cancelled in two parts, told of the first",
    changed(payment({ ...approved, status: "PARTIAL_CANCELED", lastTransactionKey: "T2" })),
    payment({
      ...approved,
      status: "PARTIAL_CANCELED",
      lastTransactionKey: "T3",
      cancels: [cancel("T2"), cancel("T3", { cancelAmount: 200 })]
    }),
    `${CAPTURED}, cancel:pk1:T2 300, cancel:pk1:T3 200`
  ],
  [
    "cancellations in another order are told oldest first",
    changed(payment({ ...approved, status: "CANCELED", lastTransactionKey: "T3" })),
    payment({
      ...approved,
      status: "CANCELED",
      cancels: [cancel("T3", { canceledAt: "2026-01-15T20:40:00+09:00" }), cancel("T2")]
    }),
    `${CAPTURED}, cancel:pk1:T2 300, cancel:pk1:T3 300`
  ],
  [
    "a cancellation that came to nothing is no refund",
    changed(payment({ ...approved, status: "PARTIAL_CANCELED", lastTransactionKey: "T2" })),
    payment({
      ...approved,
      status: "PARTIAL_CANCELED",
      cancels: [cancel("T2", { cancelStatus: "ABORTED" })]
    }),
    CAPTURED
  ],
  [
    "aborted",
    changed(payment({ status: "ABORTED" })),
    payment({ status: "ABORTED" }),
    "payment:pk1:denied 1000"
  ],
  [
    "expired",
    changed(payment({ status: "EXPIRED" })),
    payment({ status: "EXPIRED" }),
    "payment:pk1:expired 1000"
  ],
  [
    "awaiting a deposit",
    deposit({ status: "WAITING_FOR_DEPOSIT", transactionKey: "T0" }),
    payment({ ...account, status: "WAITING_FOR_DEPOSIT", lastTransactionKey: "T0" }),
    `deposit:pk1:awaiting 1000, ${withdrawn("T0")}`
  ],
  ["a deposit", deposit(), payment({ ...account, ...approved }), RECEIVED],
  [
    "a deposit, told the other way",
    changed(payment({ ...account, ...approved })),
    payment({ ...account, ...approved }),
    RECEIVED
  ],
  [
    "a deposit awaited, but made since",
    deposit({ status: "WAITING_FOR_DEPOSIT" }),
    payment({ ...account, ...approved }),
    RECEIVED
  ],
  [
    "a deposit taken back",
    deposit({ status: "WAITING_FOR_DEPOSIT", transactionKey: "T2" }),
    payment({ ...account, status: "WAITING_FOR_DEPOSIT", lastTransactionKey: "T2" }),
    `deposit:pk1:awaiting 1000, ${withdrawn("T2")}`
  ],
  [
    "a deposit taken back of which the answer keeps the time",
    deposit({ status: "WAITING_FOR_DEPOSIT", transactionKey: "T2" }),
    payment({ ...account, ...approved, status: "WAITING_FOR_DEPOSIT", lastTransactionKey: "T2" }),
    `deposit:pk1:awaiting 1000, ${withdrawn("T2")}`
  ],
  [
    "a deposit given back",
    deposit({ status: "CANCELED", transactionKey: "T2" }),
    payment({ ...account, ...approved, status: "CANCELED", cancels: [cancel("T2")] }),
    `${RECEIVED}, cancel:pk1:T2 300`
  ],
  [
    "an account cancelled before anyone paid: a refund only where a deposit is booked",
    deposit({ status: "CANCELED", transactionKey: "T2" }),
    payment({ ...account, status: "CANCELED", cancels: [cancel("T2")] }),
    "cancel:pk1:T2 300 after deposit:pk1:received:"
  ],
  [
    "announced a deposit of long ago that was taken back",
    deposit({}, "2026-01-15T19:00:00.000000"),
    payment({ ...account, status: "WAITING_FOR_DEPOSIT", lastTransactionKey: "T2" }),
    `deposit:pk1:awaiting 1000, ${withdrawn("T2")}`
  ],
  [
    "an overseas cancellation that names its payment",
    JSON.stringify({
      eventType: "CANCEL_STATUS_CHANGED",
      data: { paymentKey: "pk1", transactionKey: "T2", cancelStatus: "DONE" }
    }),
    payment({ ...approved, status: "CANCELED", cancels: [cancel("T2")] }),
    `${CAPTURED}, cancel:pk1:T2 300`
  ],
  ["a state we do not know", changed(payment({ status: "NEW_STATE" })), payment(approved), CAPTURED],
  ["a payment only begun", changed(payment()), payment(), "none: unmapped"],

  // still before what was announced
  [
    "announced approved, still in progress",
    changed(payment(approved)),
    payment({ status: "IN_PROGRESS" }),
    "world not_visible_yet"
  ],
  [
    "announced a deposit, still awaited",
    deposit(),
    payment({ ...account, status: "WAITING_FOR_DEPOSIT" }),
    "world not_visible_yet"
  ],
  [
    "announced a card payment an hour ago, still in progress",
    changed(payment(approved), "2026-01-15T19:00:00.000000"),
    payment({ status: "IN_PROGRESS" }),
    "world not_visible_yet"
  ],
  [
    "announced cancelled, still approved",
    changed(payment({ ...approved, status: "CANCELED", lastTransactionKey: "T2" })),
    payment(approved),
    "world not_visible_yet"
  ],
  [
    "announced aborted, still in progress",
    changed(payment({ status: "ABORTED" })),
    payment({ status: "IN_PROGRESS" }),
    "world not_visible_yet"
  ],
  [
    "announced the second part, the first is there",
    changed(payment({ ...approved, status: "PARTIAL_CANCELED", lastTransactionKey: "T3" })),
    payment({ ...approved, status: "PARTIAL_CANCELED", lastTransactionKey: "T2", cancels: [cancel("T2")] }),
    "world not_visible_yet"
  ],
  [
    "a cancellation still under way is waited for",
    changed(payment({ ...approved, status: "PARTIAL_CANCELED", lastTransactionKey: "T2" })),
    payment({
      ...approved,
      status: "PARTIAL_CANCELED",
      cancels: [cancel("T2", { cancelStatus: "IN_PROGRESS" })]
    }),
    "world not_visible_yet"
  ],

  // answers that cannot be booked
  [
    "approved without an amount",
    changed(payment(approved)),
    payment({ ...approved, totalAmount: null }),
    "permanent uninterpretable"
  ],
  [
    "approved without a currency",
    changed(payment(approved)),
    payment({ ...approved, currency: "won" }),
    "permanent uninterpretable"
  ],
  [
    "approved at a time that is none",
    changed(payment(approved)),
    payment({ ...approved, approvedAt: "soon" }),
    "permanent uninterpretable"
  ],
  [
    "approved at no time",
    changed(payment(approved)),
    payment({ ...approved, approvedAt: null }),
    "permanent uninterpretable"
  ],
  [
    "a refund without its key",
    changed(payment(approved)),
    payment({ ...approved, cancels: [cancel("")] }),
    "permanent uninterpretable"
  ],
  [
    "a refund without its amount",
    changed(payment(approved)),
    payment({ ...approved, cancels: [cancel("T2", { cancelAmount: null })] }),
    "permanent uninterpretable"
  ],
  [
    "an answer about another payment",
    changed(payment(approved)),
    payment({ ...approved, paymentKey: "pk2" }),
    "world provider_unavailable"
  ],
  [
    "an answer about another order",
    deposit(),
    payment({ ...account, ...approved, orderId: "order-2" }),
    "world provider_unavailable"
  ]
]

describe("what Toss's payments mean", () => {
  for (const [name, event, answer, expected] of rows) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const { provider } = yield* given(answer)
        assert.strictEqual(short(yield* readingOf(provider, unsignedDelivery(event))), expected)
      })
    )
  }

  it.effect("of a virtual account it is a state, which may go back; of a card it is not", () =>
    Effect.gen(function* () {
      const tells = Effect.fnUntraced(function* (event: string, answer: Fields) {
        const { provider } = yield* given(answer)
        const { body } = unsignedDelivery(event)
        const { endpoint } = provider
        return (yield* provider.interpret({ endpoint, dedupKey: DedupKey.make("tx_1"), body })).stateOf
      })
      assert.strictEqual(yield* tells(deposit(), payment({ ...account, ...approved })), "pk1")
      assert.strictEqual(
        yield* tells(
          deposit({ status: "WAITING_FOR_DEPOSIT" }),
          payment({ ...account, status: "WAITING_FOR_DEPOSIT", lastTransactionKey: "T0" })
        ),
        "pk1"
      )
      assert.isUndefined(yield* tells(changed(payment(approved)), payment(approved)))
    })
  )

  it.effect("a refund in full", () =>
    Effect.gen(function* () {
      const { provider } = yield* given(payment({ ...approved, status: "CANCELED", cancels: [cancel("T2")] }))
      const { facts = [] } = yield* readingOf(provider, unsignedDelivery(changed(payment(approved))))
      assert.deepStrictEqual(facts[1]?.fact as unknown, {
        type: "billing.payment.refunded.v1",
        effect_key: "cancel:pk1:T2",
        provider_event_type: "PAYMENT_STATUS_CHANGED",
        provider_event_id: null,
        payment_reference: "pk1",
        object_id: "T2",
        parent_reference: "pk1",
        amount: { value: "300", currency: "KRW" },
        provider_status: "CANCELED",
        occurred_at: "2026-01-15T11:30:00.000Z",
        confirmed_by: "requery"
      })
    })
  )

  it.effect("amounts and states come from the answer, never from the event", () =>
    Effect.gen(function* () {
      const { provider } = yield* given(payment(approved))
      const forged = changed(
        payment({ ...approved, totalAmount: 99_999, currency: "USD", cancels: [cancel("T9")] })
      )
      assert.strictEqual(short(yield* readingOf(provider, unsignedDelivery(forged))), CAPTURED)
    })
  )

  it.effect("83: an amount is as it was written", () =>
    Effect.gen(function* () {
      const body = JSON.stringify(payment({ ...approved, currency: "USD", totalAmount: "AMOUNT" }))
      for (const [written, expected] of [
        ["10.50", "10.50"],
        ["5000.0", "5000.0"],
        ["0.1", "0.1"]
      ]) {
        const { provider } = yield* given(() => ({ body: body.replace('"AMOUNT"', written ?? "") }))
        const reading = short(yield* readingOf(provider, unsignedDelivery(changed(payment(approved)))))
        assert.strictEqual(reading, `payment:pk1:captured:${APPROVED} ${expected}`)
      }
      const { provider } = yield* given(() => ({ body: body.replace('"AMOUNT"', "1e400") }))
      const reading = short(yield* readingOf(provider, unsignedDelivery(changed(payment(approved)))))
      assert.strictEqual(reading, "permanent uninterpretable")
    })
  )
})

describe("how Toss is asked", () => {
  it.effect("by the payment's key, else by its order, under the secret key", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given(payment({ ...account, ...approved }))
      yield* readingOf(provider, unsignedDelivery(changed(payment(approved))))
      yield* readingOf(provider, unsignedDelivery(deposit()))
      const paths = server.asked.map(({ path }) => path)
      assert.deepStrictEqual(paths, ["/v1/payments/pk1", "/v1/payments/orders/order-1"])
      const basic = `Basic ${Buffer.from("test_sk_secret:").toString("base64")}`
      assert.strictEqual(server.asked[0]?.headers.authorization, basic)
    })
  )

  it.effect("93: a key stays one segment of the path, and dots are not asked for", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given(() => ({ status: 404 }))
      for (const paymentKey of ["../../x", "a/b?c#d", "%2e%2e"]) {
        const event = changed({ ...payment(approved), paymentKey })
        assert.strictEqual(short(yield* readingOf(provider, unsignedDelivery(event))), "world unconfirmed")
      }
      const paths = server.asked.map(({ path }) => path)
      assert.deepStrictEqual(paths, [
        "/v1/payments/..%2F..%2Fx",
        "/v1/payments/a%2Fb%3Fc%23d",
        "/v1/payments/%252e%252e"
      ])
      const dots = changed({ ...payment(approved), paymentKey: "..", orderId: "." })
      assert.strictEqual(short(yield* readingOf(provider, unsignedDelivery(dots))), "none: unconfirmable")
      assert.lengthOf(server.asked, 3)
    })
  )

  it.effect(
    "defect 14: an event of a payment that names none makes no fact, no crash and no work for a person",
    () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given(payment())
        for (const data of [null, [], "x", 7, {}, { paymentKey: 7, orderId: {} }]) {
          assert.strictEqual(
            short(yield* readingOf(provider, unsignedDelivery(changed(data)))),
            "none: unconfirmable"
          )
        }
        assert.lengthOf(server.asked, 0)
      })
  )

  const failures: ReadonlyArray<
    readonly [name: string, reply: Reply, expected: string, retryAfterMs?: number]
  > = [
    ["404", { status: 404, body: '{"code":"NOT_FOUND_PAYMENT","message":"x"}' }, "world unconfirmed"],
    ["400", { status: 400, body: '{"code":"INVALID_PAYMENT_KEY","message":"x"}' }, "world unconfirmed"],
    ["401", { status: 401 }, "world provider_unauthorized"],
    ["403", { status: 403 }, "world provider_unauthorized"],
    ["429", { status: 429, headers: { "retry-after": "3" } }, "world provider_rate_limited", 3_000],
    ["500", { status: 500 }, "world provider_unavailable"],
    [
      "503",
      { status: 503, headers: { "retry-after": "999999999" } },
      "world provider_unavailable",
      86_400_000
    ],
    ["204", { status: 204 }, "world provider_unavailable"],
    [
      "a redirect",
      { status: 307, headers: { location: "http://127.0.0.1:9/" } },
      "world provider_unavailable"
    ],
    ["a page", { body: "<html>" }, "world provider_unavailable"],
    ["an array", { body: "[]" }, "world provider_unavailable"],
    [
      "two keys of one name",
      { body: '{"paymentKey":"pk1","paymentKey":"pk1"}' },
      "world provider_unavailable"
    ],
    ["more than 1 MB", { body: `{"a":"${"x".repeat(1_100_000)}"}` }, "world provider_unavailable"]
  ]
  for (const [name, reply, expected, retryAfterMs] of failures) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const { provider } = yield* given(() => reply)
        const reading = yield* readingOf(provider, unsignedDelivery(changed(payment(approved))))
        assert.strictEqual(short(reading), expected)
        assert.strictEqual(reading.retryAfterMs, retryAfterMs)
      })
    )
  }

  it.effect("no server: provider_unavailable", () =>
    Effect.gen(function* () {
      const provider = yield* Toss.make(tossOptions())
      const reading = yield* readingOf(provider, unsignedDelivery(changed(payment(approved))))
      assert.strictEqual(short(reading), "world provider_unavailable")
    })
  )

  it.effect("silence: provider_unavailable after ten seconds", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given(() => null)
      const reading = yield* Effect.forkChild(
        readingOf(provider, unsignedDelivery(changed(payment(approved))))
      )
      yield* server.received(1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(short(yield* Fiber.join(reading)), "world provider_unavailable")
    })
  )
})

describe("what Toss's other events mean", () => {
  const events: ReadonlyArray<readonly [body: string, expected: string]> = [
    [JSON.stringify({ eventType: "BILLING_DELETED", data: { billingKey: "bk" } }), "none: unconfirmable"],
    [
      JSON.stringify({
        eventType: "METHOD_UPDATED",
        data: { customerKey: "c", methodKey: "m", status: "ENABLED" }
      }),
      "none: unconfirmable"
    ],
    [
      JSON.stringify({ eventType: "CUSTOMER_STATUS_CHANGED", data: { customerKey: "c", status: "CREATED" } }),
      "none: unconfirmable"
    ],
    [
      JSON.stringify({
        eventType: "CANCEL_STATUS_CHANGED",
        data: { transactionKey: "T2", cancelStatus: "DONE" }
      }),
      "none: unconfirmable"
    ],
    [JSON.stringify({ eventType: "SOMETHING_NEW", data: { paymentKey: "pk1" } }), "none: unmapped"],
    ["{}", "none: unmapped"]
  ]
  for (const [body, expected] of events) {
    it.effect(`defect 7: ${body.slice(0, 40)}: ${expected}`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given(payment())
        assert.strictEqual(short(yield* readingOf(provider, unsignedDelivery(body))), expected)
        assert.lengthOf(server.asked, 0)
      })
    )
  }

  const payouts: ReadonlyArray<readonly [name: string, changes: object, expected: string]> = [
    ["completed", {}, "payout:FPA_12345:completed 5000"],
    ["failed", { status: "FAILED" }, "payout:FPA_12345:failed 5000"],
    ["still under way", { status: "IN_PROGRESS" }, "none: unmapped"],
    ["without an id", { id: null }, "permanent uninterpretable"],
    ["without an amount", { amount: null }, "permanent uninterpretable"],
    ["with an id that is two", { id: "a:completed" }, "permanent uninterpretable"]
  ]
  for (const [name, changes, expected] of payouts) {
    it.effect(`a payout ${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given(payment())
        const reading = yield* readingOf(provider, signedDelivery(payout(changes)))
        assert.strictEqual(short(reading), expected)
        assert.lengthOf(server.asked, 0, "a signature needs no confirmation")
        for (const { fact } of reading.facts ?? []) {
          assert.strictEqual(fact.confirmed_by, "signature")
          assert.strictEqual(fact.provider_event_id, "EV1")
          assert.strictEqual(fact.occurred_at, "2026-01-15T11:59:58.000Z")
        }
      })
    )
  }

  it.effect("a seller: no fact", () =>
    Effect.gen(function* () {
      const { provider } = yield* given(payment())
      const body = payout().replace("payout.changed", "seller.changed")
      assert.strictEqual(short(yield* readingOf(provider, signedDelivery(body))), "none: unmapped")
    })
  )
})
