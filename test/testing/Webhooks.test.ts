import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { TestClock } from "effect/testing"
import type { Provider } from "../../src/domain/Provider.ts"
import * as PayPal from "../../src/infra/providers/PayPal.ts"
import * as Toss from "../../src/infra/providers/Toss.ts"
import {
  type BrokenWebhook,
  makePayPal,
  makeToss,
  toDelivery,
  type ValidWebhook,
  type Webhook
} from "../../src/testing/index.ts"

const NOW = Date.parse("2026-03-01T12:00:00Z")
const KEPT = 400 * 86_400_000
const party = await makePayPal({ now: NOW })
const tossParty = makeToss({ now: NOW })

const paypal = PayPal.make({
  endpoint: toDelivery({ provider: "paypal", headers: {}, body: new Uint8Array() }).endpoint,
  webhookId: Redacted.make(party.webhookId),
  extraAnchors: [party.caPem],
  knownCertificates: new Map([[party.certificateUrl, party.certificatePem]]),
  confirm: "never",
  apiOrigin: "http://127.0.0.1:9",
  keyRetentionMs: KEPT,
  pseudonym: (token) => token
})
const toss = Toss.make({
  endpoint: toDelivery({ provider: "toss", headers: {}, body: new Uint8Array() }).endpoint,
  secretKey: Redacted.make("test_sk_x"),
  securityKeys: [Redacted.make(tossParty.securityKey)],
  apiOrigin: "http://127.0.0.1:9",
  keyRetentionMs: KEPT,
  places: 100
})

/** What a gate would answer: the key of the event, or a status. */
const told = (provider: Provider, webhook: Webhook) =>
  Effect.map(Effect.result(provider.identify(toDelivery(webhook))), (result) =>
    Result.isSuccess(result)
      ? result.success.quarantine
        ? 200
        : result.success.dedupKey
      : ({ SignatureInvalid: 401, PayloadInvalid: 400, VerificationUnavailable: 503 } as const)[
          result.failure._tag
        ]
  )

const samples = <A>(arbitrary: Arbitrary.Arbitrary<A>, count: number) =>
  Arbitrary.sampleEffect(arbitrary, { count, size: 50, seed: 7 })

const parties = [
  { name: "PayPal", adapter: paypal, from: party, types: 8 },
  { name: "Toss", adapter: toss, from: tossParty, types: 4 }
] as const

for (const { adapter, from, name, types } of parties)
  describe(`webhooks of ${name}`, () => {
    it.effect("valid: verified by the adapter, and named as foretold", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW)
        const provider = yield* adapter
        const webhooks: ReadonlyArray<ValidWebhook> = yield* samples(from.valid, 150)
        for (const webhook of webhooks)
          assert.strictEqual(String(yield* told(provider, webhook)), webhook.dedupKey, webhook.eventType)
        assert.isAtLeast(new Set(webhooks.map(({ eventType }) => eventType)).size, types)
      })
    )

    it.effect("broken: each way is refused as its name says, and each occurs", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW)
        const provider = yield* adapter
        const webhooks: ReadonlyArray<BrokenWebhook> = yield* samples(from.broken, 300)
        for (const webhook of webhooks)
          assert.strictEqual(yield* told(provider, webhook), webhook.status, webhook.how)
        assert.isAtLeast(new Set(webhooks.map(({ how }) => how)).size, 20)
      })
    )

    it.effect("deliveries: copies of one event have one key", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW)
        const provider = yield* adapter
        for (const series of yield* samples(from.deliveries, 20))
          for (const webhook of series)
            assert.strictEqual(String(yield* told(provider, webhook)), webhook.dedupKey)
      })
    )
  })
