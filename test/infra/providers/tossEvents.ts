import { createHmac } from "node:crypto"
import { Redacted } from "effect"
import { type Endpoint, EndpointName } from "../../../src/domain/Endpoint.ts"
import type { TossOptions } from "../../../src/infra/providers/Toss.ts"
import { DAY, makeDelivery } from "./deliveries.ts"

export const KEY = "0f".repeat(32)
export const RETIRED = "a1".repeat(32)
export const TIME = "2026-01-15T21:00:00+09:00"

export const tossEndpoint: Endpoint = { name: EndpointName.make("toss"), kind: "toss", environment: "live" }

export const tossOptions = (options: Partial<TossOptions> = {}): TossOptions => ({
  endpoint: tossEndpoint,
  secretKey: Redacted.make("test_sk_secret"),
  securityKeys: [Redacted.make(KEY)],
  apiOrigin: "http://127.0.0.1:9",
  places: 400,
  keyRetentionMs: 400 * DAY,
  ...options
})

/** A `payout.changed` event as Toss's documentation shows it. */
export const payout = (changes: object = {}) =>
  JSON.stringify({
    eventType: "payout.changed",
    createdAt: "2026-01-15T20:59:58+09:00",
    version: "2022-11-16",
    eventId: "EV1",
    entityType: "payout",
    entityBody: {
      id: "FPA_12345",
      refPayoutId: "my-payout-1",
      destination: "seller-1",
      amount: { currency: "KRW", value: 5000 },
      status: "COMPLETED",
      error: null,
      ...changes
    }
  })

const HEADERS = {
  "tosspayments-webhook-transmission-id": "whtrans_a01j70335nkqqeg0zwzz2r4py9z",
  "tosspayments-webhook-transmission-time": TIME
}

export const unsignedDelivery = (body: string) => makeDelivery(tossEndpoint, HEADERS, body)

export const signedDelivery = (body: string) => {
  const value = createHmac("sha256", KEY).update(`${body}:${TIME}`).digest("base64")
  return makeDelivery(tossEndpoint, { ...HEADERS, "tosspayments-webhook-signature": `v1:${value}` }, body)
}
