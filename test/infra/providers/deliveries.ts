import { createHash, sign } from "node:crypto"
import { Effect, Redacted, Result } from "effect"
import type { Delivery } from "../../../src/domain/Delivery.ts"
import { type Endpoint, EndpointName, type Environment } from "../../../src/domain/Endpoint.ts"
import type { Provider } from "../../../src/domain/Provider.ts"
import { RequestHash } from "../../../src/domain/RequestHash.ts"
import { crc32 } from "../../../src/infra/providers/Crc32.ts"
import type { PayPalOptions } from "../../../src/infra/providers/PayPal.ts"
import type { TestCertificate } from "../../support/TestCa.ts"

export const DAY = 86_400_000
/** The time at which the tests of this folder play. */
export const NOW = Date.parse("2026-01-15T12:00:00Z")
export const LIVE_NAME = "messageverificationcerts.paypal.com"
export const SANDBOX_NAME = "messageverificationcerts.sandbox.paypal.com"
export const WEBHOOK_ID = "5GP028458E2496506"
export const validity = { notBefore: new Date(NOW - 300 * DAY), notAfter: new Date(NOW + 65 * DAY) }

export const paypalEndpoint = (environment: Environment = "live"): Endpoint => ({
  name: EndpointName.make("paypal"),
  kind: "paypal",
  environment
})

export const paypalOptions = (options: Partial<PayPalOptions> = {}): PayPalOptions => ({
  endpoint: paypalEndpoint(),
  webhookId: Redacted.make(WEBHOOK_ID),
  extraAnchors: [],
  confirm: "never",
  apiOrigin: "http://127.0.0.1:9",
  keyRetentionMs: 400 * DAY,
  pseudonym: (token) => `hmac-${createHash("sha256").update(token).digest("hex").slice(0, 12)}`,
  ...options
})

type Values = string | ReadonlyArray<string> | undefined

/** A request as the route hands it over. */
export const makeDelivery = (
  endpoint: Endpoint,
  headers: Readonly<Record<string, Values>>,
  body: string | Uint8Array
): Delivery => {
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body
  return {
    endpoint,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? [value] : value])
    ),
    body: bytes,
    hash: RequestHash.make(createHash("sha256").update(bytes).digest("hex"))
  }
}

export interface Sending {
  readonly certificate: TestCertificate
  readonly certUrl: string
  readonly body: string | Uint8Array
  readonly endpoint?: Endpoint
  readonly id?: string
  readonly time?: string
  readonly webhookId?: string
  /** Headers that are changed after signing; undefined leaves one out. */
  readonly tamper?: Readonly<Record<string, Values>>
  /** A body that comes in instead of the signed one. */
  readonly swap?: string | Uint8Array
}

/** A delivery signed as PayPal signs. */
export const paypalDelivery = (sending: Sending): Delivery => {
  const id = sending.id ?? "0f14627d-cc41-11f0-9ad0-21cf84660aee"
  const time = sending.time ?? "2026-01-15T11:59:58Z"
  const bytes = typeof sending.body === "string" ? Buffer.from(sending.body, "utf8") : sending.body
  const text = `${id}|${time}|${sending.webhookId ?? WEBHOOK_ID}|${crc32(bytes)}`
  return makeDelivery(
    sending.endpoint ?? paypalEndpoint(),
    {
      "paypal-transmission-id": id,
      "paypal-transmission-time": time,
      "paypal-transmission-sig": sign("sha256", Buffer.from(text), sending.certificate.privateKey).toString(
        "base64"
      ),
      "paypal-cert-url": sending.certUrl,
      "paypal-auth-algo": "SHA256withRSA",
      ...sending.tamper
    },
    sending.swap ?? bytes
  )
}

/** The tag and the reason with which a delivery is refused, or `accepted`. */
export const verdictOf = (provider: Provider, delivery: Delivery) =>
  Effect.map(Effect.result(provider.identify(delivery)), (result) =>
    Result.isSuccess(result) ? "accepted" : `${result.failure._tag} ${result.failure.reason}`
  )

/** The facts of an event in short form, or how processing failed. */
export const readingOf = (provider: Provider, delivery: Delivery) =>
  provider.identify(delivery).pipe(
    Effect.orDie,
    Effect.flatMap(({ dedupKey }) =>
      Effect.result(provider.interpret({ endpoint: provider.endpoint, dedupKey, body: delivery.body }))
    ),
    Effect.map((result) =>
      Result.isSuccess(result)
        ? { facts: result.success.facts, note: result.success.note }
        : {
            failed: `${result.failure.kind} ${result.failure.code}`,
            retryAfterMs: result.failure.retryAfterMs
          }
    )
  )
