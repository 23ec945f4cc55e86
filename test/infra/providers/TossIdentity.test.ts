import { createHmac } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import * as Toss from "../../../src/infra/providers/Toss.ts"
import { DAY, makeDelivery, NOW, readingOf, verdictOf } from "./deliveries.ts"
import { KEY, payout, RETIRED, TIME, tossEndpoint, tossOptions } from "./tossEvents.ts"

const SIGNATURE = "tosspayments-webhook-signature"
const SENT_AT = "tosspayments-webhook-transmission-time"
const ID = "tosspayments-webhook-transmission-id"

const given = Effect.fnUntraced(function* (options: Partial<Toss.TossOptions> = {}) {
  yield* TestClock.setTime(NOW)
  return yield* Toss.make(tossOptions(options))
})

const mac = (key: string | Buffer, body = payout(), time = TIME) =>
  createHmac("sha256", key).update(`${body}:${time}`).digest("base64")
const good = () => mac(KEY)
const raw = (key: string) => Buffer.from(key, "hex")

const signed = (
  signature: string | ReadonlyArray<string> | undefined,
  more: Readonly<Record<string, string>> = {}
) =>
  makeDelivery(
    tossEndpoint,
    { [ID]: "whtrans_1", [SENT_AT]: TIME, [SIGNATURE]: signature, ...more },
    payout()
  )

describe("Toss signature of payouts and sellers", () => {
  const accepted: ReadonlyArray<readonly [name: string, signature: () => string]> = [
    ["the key as text", () => `v1:${good()}`],
    ["the key as bytes", () => `v1:${mac(raw(KEY))}`],
    ["21 the second of two values", () => `v1:${mac(RETIRED)},v1:${good()}`],
    ["the first of two values", () => `v1:${good()},v1:${mac(RETIRED)}`],
    ["two values, one prefix", () => `v1:${mac(RETIRED)},${good()}`],
    ["a space between", () => `v1:${mac(RETIRED)}, v1:${good()}`]
  ]
  for (const [name, signature] of accepted) {
    it.effect(`${name}: accepted`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* verdictOf(yield* given(), signed(signature())), "accepted")
      })
    )
  }

  it.effect("any of several configured keys", () =>
    Effect.gen(function* () {
      const provider = yield* given({ securityKeys: [Redacted.make(RETIRED), Redacted.make(KEY)] })
      assert.strictEqual(yield* verdictOf(provider, signed(`v1:${good()}`)), "accepted")
      assert.strictEqual(yield* verdictOf(provider, signed(`v1:${mac(RETIRED)}`)), "accepted")
    })
  )

  const refused: ReadonlyArray<
    readonly [name: string, signature: () => string | ReadonlyArray<string> | undefined, reason: string]
  > = [
    ["1 none", () => undefined, "header_missing"],
    ["2 an empty one", () => "", "header_missing"],
    ["the header twice", () => [`v1:${good()}`, `v1:${good()}`], "header_repeated"],
    ["3 no value", () => "v1:", "signature_format"],
    ["a value without its version", () => good(), "signature_format"],
    ["12 hexadecimal", () => `v1:${Buffer.from(good(), "base64").toString("hex")}`, "signature_format"],
    [
      "14 a shorter value",
      () => `v1:${Buffer.from(good(), "base64").subarray(0, 31).toString("base64")}`,
      "signature_format"
    ],
    [
      "15 a longer value",
      () => `v1:${Buffer.concat([Buffer.from(good(), "base64"), Buffer.of(0)]).toString("base64")}`,
      "signature_format"
    ],
    ["17 no base64", () => "v1:!!", "signature_format"],
    ["19 base64url", () => `v1:${Buffer.alloc(32, 0xfb).toString("base64url")}`, "signature_format"],
    ["20 another version", () => `v0:${good()}`, "signature_format"],
    ["one bad value beside a good one", () => `v1:${good()},v1:x`, "signature_format"],
    ["nine values", () => Array(9).fill(`v1:${good()}`).join(","), "signature_format"],
    ["23 a retired key", () => `v1:${mac(RETIRED)}`, "signature_mismatch"],
    ["24 an empty key", () => `v1:${mac("")}`, "signature_mismatch"],
    ["25 the key with a line break", () => `v1:${mac(`${KEY}\n`)}`, "signature_mismatch"],
    ["31 another body", () => `v1:${mac(KEY, `${payout()} `)}`, "signature_mismatch"],
    ["37 another time", () => `v1:${mac(KEY, payout(), "2026-01-15T20:59:59+09:00")}`, "signature_mismatch"]
  ]
  for (const [name, signature, reason] of refused) {
    it.effect(`${name}: ${reason}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(
          yield* verdictOf(yield* given(), signed(signature())),
          `SignatureInvalid ${reason}`
        )
      })
    )
  }

  it.effect("24: an empty configured key verifies nothing", () =>
    Effect.gen(function* () {
      const provider = yield* given({ securityKeys: [Redacted.make("")] })
      assert.strictEqual(
        yield* verdictOf(provider, signed(`v1:${mac("")}`)),
        "SignatureInvalid signature_mismatch"
      )
    })
  )

  it.effect("30 defect 6: the invented header of the earlier gate proves nothing", () =>
    Effect.gen(function* () {
      const hex = createHmac("sha256", KEY).update(payout()).digest("hex")
      const sent = makeDelivery(
        tossEndpoint,
        { [ID]: "whtrans_1", "x-tosspayments-signature": hex },
        payout()
      )
      assert.strictEqual(yield* verdictOf(yield* given(), sent), "SignatureInvalid header_missing")
    })
  )

  it.effect("a signed time before our memory is refused, and so is one that is no time", () =>
    Effect.gen(function* () {
      const provider = yield* given()
      const old = "2024-01-01T00:00:00+09:00"
      const sent = signed(`v1:${mac(KEY, payout(), old)}`, { [SENT_AT]: old })
      assert.strictEqual(yield* verdictOf(provider, sent), "SignatureInvalid transmission_too_old")
      const odd = signed(`v1:${mac(KEY, payout(), "now")}`, { [SENT_AT]: "now" })
      assert.strictEqual(yield* verdictOf(provider, odd), "SignatureInvalid transmission_time")
    })
  )

  it.effect("signed, but no object: kept aside; unsigned: refused", () =>
    Effect.gen(function* () {
      const provider = yield* given()
      const body = "[1]"
      const headers = { [ID]: "whtrans_1", [SENT_AT]: TIME }
      const genuine = makeDelivery(tossEndpoint, { ...headers, [SIGNATURE]: `v1:${mac(KEY, body)}` }, body)
      const identity = yield* provider.identify(genuine)
      assert.isTrue(identity.quarantine)
      assert.match(identity.dedupKey, /^raw_[0-9a-f]{64}$/u)
      assert.strictEqual(
        yield* verdictOf(provider, makeDelivery(tossEndpoint, headers, body)),
        "PayloadInvalid not_an_object"
      )
      const forged = makeDelivery(tossEndpoint, { ...headers, [SIGNATURE]: `v1:${mac(RETIRED, body)}` }, body)
      assert.strictEqual(yield* verdictOf(provider, forged), "PayloadInvalid not_an_object")
    })
  )

  it.prop("no signature header makes it fail otherwise than by refusal", [Schema.String], ([signature]) =>
    Effect.runSync(
      Effect.gen(function* () {
        const verdict = yield* verdictOf(
          yield* Toss.make(tossOptions({ keyRetentionMs: 1e6 * DAY })),
          signed(signature)
        )
        assert.match(verdict, /^SignatureInvalid /u)
      }).pipe(Effect.scoped)
    )
  )
})

describe("Toss identity", () => {
  const payment = (fields: object) =>
    JSON.stringify({
      eventType: "PAYMENT_STATUS_CHANGED",
      createdAt: "2026-01-15T21:00:00.000000",
      data: fields
    })
  const key = (body: string, id?: string | ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const provider = yield* given()
      const result = yield* Effect.result(provider.identify(makeDelivery(tossEndpoint, { [ID]: id }, body)))
      return result._tag === "Success"
        ? result.success.dedupKey
        : `${result.failure._tag} ${result.failure.reason}`
    })
  const done = { paymentKey: "pk1", orderId: "o1", status: "DONE", lastTransactionKey: "t1" }
  const deposit = {
    createdAt: "2026-01-15T21:00:00.000000",
    secret: "s",
    orderId: "o1",
    status: "DONE",
    transactionKey: "t1"
  }

  const rows: ReadonlyArray<
    readonly [name: string, body: string, id: string | ReadonlyArray<string> | undefined, expected: string]
  > = [
    ["its transmission", payment(done), "whtrans_a01", "tx_whtrans_a01"],
    ["what happened to the payment", payment(done), undefined, "pkey_pk1:DONE:t1"],
    ["a deposit", JSON.stringify(deposit), undefined, "dep_o1:DONE:t1"],
    ["a deposit with a transmission", JSON.stringify(deposit), "whtrans_a01", "tx_whtrans_a01"],
    ["an empty transmission id is none", payment(done), "", "pkey_pk1:DONE:t1"],
    ["a transmission id of 5,000 characters is none", payment(done), "x".repeat(5_000), "pkey_pk1:DONE:t1"],
    ["two transmission ids", payment(done), ["a", "b"], "PayloadInvalid header_repeated"],
    ["never the payment alone", payment({ paymentKey: "pk1" }), undefined, "PayloadInvalid no_identity"],
    [
      "never without what happened",
      payment({ paymentKey: "pk1", status: "DONE" }),
      undefined,
      "PayloadInvalid no_identity"
    ],
    [
      "84 a key that is a number",
      payment({ ...done, paymentKey: 7, orderId: 8 }),
      undefined,
      "PayloadInvalid no_identity"
    ],
    [
      "84 a key that is an object",
      payment({ ...done, paymentKey: {}, orderId: [] }),
      undefined,
      "PayloadInvalid no_identity"
    ],
    [
      "defect 14: data that is null",
      '{"eventType":"PAYMENT_STATUS_CHANGED","data":null}',
      undefined,
      "PayloadInvalid no_identity"
    ],
    [
      "defect 14: data that is null, with a transmission",
      '{"eventType":"PAYMENT_STATUS_CHANGED","data":null}',
      "whtrans_1",
      "tx_whtrans_1"
    ],
    ["defect 14: an array", "[]", "whtrans_1", "PayloadInvalid not_an_object"],
    ["61 nothing", "", "whtrans_1", "PayloadInvalid not_json"],
    ["73 a key twice", '{"eventType":"A","eventType":"B"}', "whtrans_1", "PayloadInvalid duplicate_key"],
    ["70 a byte order mark", "\ufeff{}", "whtrans_1", "PayloadInvalid not_json"],
    ["66 an empty object", "{}", undefined, "PayloadInvalid no_identity"],
    ["an unknown type", '{"eventType":"SOMETHING_NEW"}', "whtrans_1", "tx_whtrans_1"]
  ]
  for (const [name, body, id, expected] of rows) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.map(key(body, id), (found) => assert.strictEqual(found, expected))
    )
  }

  it.effect("defect 8: an approval and its cancellation are two events", () =>
    Effect.gen(function* () {
      const keys = [
        yield* key(payment({ ...done, status: "READY", lastTransactionKey: "t0" })),
        yield* key(payment(done)),
        yield* key(payment({ ...done, status: "CANCELED", lastTransactionKey: "t2" })),
        yield* key(payment({ ...done, status: "PARTIAL_CANCELED", lastTransactionKey: "t2" })),
        yield* key(payment({ ...done, status: "PARTIAL_CANCELED", lastTransactionKey: "t3" }))
      ]
      assert.strictEqual(new Set(keys).size, 5)
    })
  )

  it.effect("a signed event without a transmission goes by its own id", () =>
    Effect.gen(function* () {
      const provider = yield* given()
      const sent = makeDelivery(tossEndpoint, { [SENT_AT]: TIME, [SIGNATURE]: `v1:${good()}` }, payout())
      assert.strictEqual((yield* provider.identify(sent)).dedupKey, "ev_EV1")
    })
  )

  it.effect("a type in other letters is no payout: it needs no signature, and makes no fact", () =>
    Effect.gen(function* () {
      const provider = yield* given()
      for (const type of ["Payout.changed", "PAYOUT.CHANGED", "payout.changed ", "payout.change"]) {
        const sent = makeDelivery(
          tossEndpoint,
          { [ID]: "whtrans_1" },
          payout().replace("payout.changed", type)
        )
        assert.deepStrictEqual(yield* readingOf(provider, sent), { facts: [], note: "unmapped" })
      }
    })
  )
})
