import { createHmac } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Effect, Layer, Redacted, Schema } from "effect"
import { type Endpoint, EndpointName } from "../../domain/Endpoint.ts"
import { type Provider, Providers } from "../../domain/Provider.ts"
import type { Settings } from "../config/Settings.ts"
import { register } from "../postgres/Endpoints.ts"
import { guarded } from "./Guarded.ts"
import * as PayPal from "./PayPal.ts"
import * as Toss from "./Toss.ts"

/** A file that the configuration names cannot be read. */
export class ProviderFileUnreadable extends Schema.TaggedError<ProviderFileUnreadable>()(
  "ProviderFileUnreadable",
  {
    message: Schema.String
  }
) {}

/** Fixes the endpoint in the database; answers with the HMAC under which customers' tokens are passed on. */
const pseudonymOf = Effect.fnUntraced(function* (endpoint: Endpoint) {
  const key = yield* register(endpoint)
  return (token: string) => createHmac("sha256", key).update(token).digest("hex")
})

const paypal = Effect.fnUntraced(function* (
  settings: NonNullable<Settings["paypal"]>,
  keyRetentionMs: number
) {
  const { apiOrigin, caFile, certOrigin, clientId, clientSecret, confirm, webhookId } = settings
  const endpoint: Endpoint = {
    name: EndpointName.make("paypal"),
    kind: "paypal",
    environment: certOrigin === null ? settings.environment : "simulated"
  }
  const extraAnchors =
    caFile === null
      ? []
      : [
          yield* Effect.tryPromise({
            try: () => readFile(caFile, "utf8"),
            catch: () =>
              new ProviderFileUnreadable({ message: "PAYPAL_CA_FILE names a file that cannot be read" })
          })
        ]
  const provider = yield* PayPal.make({
    endpoint,
    webhookId: Redacted.make(webhookId),
    extraAnchors,
    confirm,
    keyRetentionMs,
    apiOrigin: apiOrigin ?? `https://api-m.${settings.environment === "live" ? "" : "sandbox."}paypal.com`,
    pseudonym: yield* pseudonymOf(endpoint),
    ...(certOrigin === null ? {} : { certOrigin }),
    ...(clientId === null ? {} : { clientId }),
    ...(clientSecret === null ? {} : { clientSecret })
  })
  return confirm === "money" ? yield* guarded(provider) : provider
})

/** Of the places for requests in flight: the rest is for deliveries that are being claimed. */
const WAITING_SHARE = 0.4

const toss = Effect.fnUntraced(function* (
  settings: NonNullable<Settings["toss"]>,
  { keyRetentionMs, maxInFlight }: Pick<Settings, "keyRetentionMs" | "maxInFlight">
) {
  const secret = Redacted.value(settings.secretKey)
  const endpoint: Endpoint = {
    name: EndpointName.make("toss"),
    kind: "toss",
    environment: settings.apiOrigin !== null ? "simulated" : secret.startsWith("test_") ? "sandbox" : "live"
  }
  yield* register(endpoint)
  return yield* Toss.make({
    endpoint,
    secretKey: settings.secretKey,
    securityKeys: settings.securityKeys,
    apiOrigin: settings.apiOrigin ?? "https://api.tosspayments.com",
    places: Math.ceil(maxInFlight * WAITING_SHARE),
    keyRetentionMs
  })
})

/** The receivers that the configuration names, by route and alias. A further provider: its file, and a line here. */
export const layer = (settings: Pick<Settings, "paypal" | "toss" | "keyRetentionMs" | "maxInFlight">) =>
  Layer.effect(
    Providers,
    Effect.gen(function* () {
      const providers: ReadonlyArray<Provider> = [
        ...(settings.paypal === null ? [] : [yield* paypal(settings.paypal, settings.keyRetentionMs)]),
        ...(settings.toss === null ? [] : [yield* guarded(yield* toss(settings.toss, settings))])
      ]
      return new Map(
        providers.flatMap((provider) =>
          [provider.endpoint.name, ...provider.aliases].map((name) => [name as string, provider] as const)
        )
      )
    })
  )
