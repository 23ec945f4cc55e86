import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import type { Delivery } from "../../../src/domain/Delivery.ts"
import { crc32 } from "../../../src/infra/providers/Crc32.ts"
import * as PayPal from "../../../src/infra/providers/PayPal.ts"
import { DAY, makeDelivery, paypalEndpoint, paypalOptions, readingOf, verdictOf } from "./deliveries.ts"

interface Vector {
  readonly name: string
  readonly webhook_id: string
  readonly headers: Readonly<Record<string, string>>
  readonly signed_string: string
  readonly body: string
  readonly cert_pem: string
}

// Genuine deliveries of PayPal are other people's data: they are read where they lie, and are no part of the project.
const FILE = new URL("../../../../shared/data/paypal-vectors.json", import.meta.url)
const isPresent = existsSync(FILE)
const vectors: ReadonlyArray<Vector> = isPresent ? JSON.parse(readFileSync(FILE, "utf8")) : []
if (!isPresent) {
  console.warn(
    "PayPal vectors: skipped, as ../shared/data/paypal-vectors.json is not there. The project's own vectors run."
  )
}

const named = (name: string) => {
  const vector = vectors.find((candidate) => candidate.name === name)
  if (vector === undefined) throw new Error(`no vector ${name}`)
  return vector
}

/** The clock stands a few seconds after the delivery was sent, and its certificate is at hand. */
const given = Effect.fnUntraced(function* (
  vector: Vector,
  options: Parameters<typeof paypalOptions>[0] = {}
) {
  yield* TestClock.setTime(Date.parse(vector.headers["paypal-transmission-time"] ?? "") + 5_000)
  const url = vector.headers["paypal-cert-url"] ?? ""
  const endpoint = paypalEndpoint(url.includes("sandbox") ? "sandbox" : "live")
  const provider = yield* PayPal.make(
    paypalOptions({
      endpoint,
      webhookId: Redacted.make(vector.webhook_id),
      knownCertificates: new Map([[url, vector.cert_pem]]),
      ...options
    })
  )
  return { provider, delivery: makeDelivery(endpoint, vector.headers, vector.body) }
})

interface Expected {
  readonly key: string
  readonly effect: string | null
  readonly amount: string | null
  readonly reference: string | null
  readonly occurredAt: string | null
}

const genuine: Readonly<Record<string, Expected>> = {
  "sandbox-2017-plan-created": {
    key: "ev_WH-2MW4820926242972J-6SG447389E205703U",
    effect: null,
    amount: null,
    reference: null,
    occurredAt: null
  },
  "sandbox-2015-05-12-sale-completed": {
    key: "ev_WH-2W7266712B616591M-36507203HX6402335",
    effect: "capture:7DW85331GX749735N:completed",
    amount: "20.00 USD",
    reference: "7DW85331GX749735N",
    occurredAt: "2015-05-12T18:14:14.000Z"
  },
  "simulator-2025-capture-completed": {
    key: "ev_WH-58D329510W468432D-8HN650336L201105X",
    effect: "capture:12A34567BC123456S:completed",
    amount: "30.00 USD",
    reference: "12A34567BC123456S",
    occurredAt: "2019-02-14T21:50:07.940Z"
  },
  "simulator-2024-capture-refunded": {
    key: "ev_WH-1GE84257G0350133W-6RW800890C634293G",
    effect: "refund:1Y107995YT783435V",
    amount: "0.99 USD",
    reference: "0JF852973C016714D",
    occurredAt: "2018-08-15T19:14:04.543Z"
  },
  "simulator-2024-subscription-cancelled": {
    key: "ev_WH-UY687577TY25889J9-2R6T55435R66168Y6",
    effect: "subscription:I-BW452GLLEP1G:WH-UY687577TY25889J9-2R6T55435R66168Y6",
    amount: null,
    reference: "I-BW452GLLEP1G",
    occurredAt: null
  }
}

describe.skipIf(!isPresent)("genuine PayPal deliveries (skipped where ../shared/data is absent)", () => {
  for (const [name, expected] of Object.entries(genuine)) {
    it.effect(`${name} verifies and says what it says`, () =>
      Effect.gen(function* () {
        const vector = named(name)
        const { delivery, provider } = yield* given(vector)
        const identity = yield* provider.identify(delivery)
        assert.strictEqual(identity.dedupKey, expected.key)
        assert.strictEqual(String(identity.transmission?.crc32), vector.signed_string.split("|")[3])
        const { facts = [], note } = yield* readingOf(provider, delivery)
        const fact = facts[0]?.fact
        assert.deepStrictEqual(
          {
            key: identity.dedupKey as string,
            effect: fact?.effect_key ?? null,
            amount: fact?.amount ? `${fact.amount.value} ${fact.amount.currency}` : null,
            reference: fact?.payment_reference ?? null,
            occurredAt: fact?.occurred_at ?? null
          },
          expected
        )
        assert.strictEqual(note, expected.effect === null ? "unmapped" : null)
      })
    )
  }

  const withHeader = (delivery: Delivery, name: string, value: string): Delivery => ({
    ...delivery,
    headers: { ...delivery.headers, [name]: [value] }
  })
  const tampers: ReadonlyArray<
    readonly [name: string, tamper: (delivery: Delivery) => Delivery, reason: string]
  > = [
    [
      "a byte of the body",
      (d) => makeDelivery(d.endpoint, d.headers, `${Buffer.from(d.body)} `),
      "signature_mismatch"
    ],
    [
      "the amount",
      (d) => makeDelivery(d.endpoint, d.headers, `${Buffer.from(d.body)}`.replace("30.00", "90.00")),
      "signature_mismatch"
    ],
    [
      "the id",
      (d) => withHeader(d, "paypal-transmission-id", "0f14627d-cc41-11f0-9ad0-21cf84660aef"),
      "signature_mismatch"
    ],
    [
      "the time",
      (d) => withHeader(d, "paypal-transmission-time", "2025-11-28T10:00:25Z"),
      "signature_mismatch"
    ],
    ["the algorithm", (d) => withHeader(d, "paypal-auth-algo", "SHA1withRSA"), "algorithm"],
    [
      "a letter of the signature",
      (d) =>
        withHeader(d, "paypal-transmission-sig", `E${d.headers["paypal-transmission-sig"]?.[0]?.slice(1)}`),
      "signature_mismatch"
    ],
    [
      "the host of the certificate",
      (d) =>
        withHeader(
          d,
          "paypal-cert-url",
          "https://api.paypal.com.evil.tld/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406"
        ),
      "certificate_url"
    ]
  ]
  for (const [name, tamper, reason] of tampers) {
    it.effect(`with ${name} changed: ${reason}`, () =>
      Effect.gen(function* () {
        const { delivery, provider } = yield* given(named("simulator-2025-capture-completed"))
        assert.strictEqual(yield* verdictOf(provider, delivery), "accepted")
        assert.strictEqual(yield* verdictOf(provider, tamper(delivery)), `SignatureInvalid ${reason}`)
      })
    )
  }

  it.effect("under another webhook id: signature_mismatch", () =>
    Effect.gen(function* () {
      const vector = named("simulator-2025-capture-completed")
      const { delivery, provider } = yield* given(vector, { webhookId: Redacted.make("OTHER") })
      assert.strictEqual(yield* verdictOf(provider, delivery), "SignatureInvalid signature_mismatch")
    })
  )

  it.effect("at the present time the old certificate has expired", () =>
    Effect.gen(function* () {
      const vector = named("simulator-2025-capture-completed")
      const { delivery, provider } = yield* given(vector)
      yield* TestClock.setTime(Date.parse("2026-03-03T23:59:59Z") + 31 * DAY)
      assert.strictEqual(yield* verdictOf(provider, delivery), "SignatureInvalid certificate_expired")
    })
  )

  it.effect("a sandbox delivery in live: certificate_url", () =>
    Effect.gen(function* () {
      const vector = named("sandbox-2015-05-12-sale-completed")
      const { delivery, provider } = yield* given(vector, { endpoint: paypalEndpoint("live") })
      assert.strictEqual(yield* verdictOf(provider, delivery), "SignatureInvalid certificate_url")
    })
  )

  it.effect(
    "58: the forged body verifies, and shows the transmission of the genuine one under another hash",
    () =>
      Effect.gen(function* () {
        const vector = named("simulator-2025-capture-completed")
        const forgery = named("FORGED-crc32-collision-of-simulator-2025")
        const { delivery, provider } = yield* given(vector)
        const forged = makeDelivery(delivery.endpoint, forgery.headers, forgery.body)
        const [one, two] = [yield* provider.identify(delivery), yield* provider.identify(forged)]
        assert.deepStrictEqual(two.transmission, one.transmission)
        assert.strictEqual(one.transmission?.crc32, crc32(forged.body))
        assert.notStrictEqual(forged.hash, delivery.hash)
      })
  )
})
