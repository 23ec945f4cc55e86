import { Effect, Redacted, Result } from "effect"
import { fromParts, ofRawBody } from "../../domain/DedupKey.ts"
import type { Delivery } from "../../domain/Delivery.ts"
import type { Endpoint } from "../../domain/Endpoint.ts"
import {
  type Event,
  type Identity,
  type Interpretation,
  ProcessFailed,
  type Provider
} from "../../domain/Provider.ts"
import { textAt, wordAt } from "./JsonFields.ts"
import { confirmMoney, makeEventLookup } from "./PayPalApi.ts"
import { makeCertificates } from "./PayPalCertificates.ts"
import { urlRule } from "./PayPalCertificateUrl.ts"
import { readFacts } from "./PayPalFacts.ts"
import { verifyTransmission } from "./PayPalSignature.ts"
import { type JsonObject, parseObject } from "./StrictJson.ts"

export interface PayPalOptions {
  readonly endpoint: Endpoint
  readonly webhookId: Redacted.Redacted
  /** Tests and simulator only: takes the place of PayPal's hosts, as `http://127.0.0.1:1234`. */
  readonly certOrigin?: string
  /** PEM texts of further certificate authorities, one or more certificates each. */
  readonly extraAnchors: ReadonlyArray<string>
  /** Signing certificates known beforehand, by URL: never fetched, but checked like any other. */
  readonly knownCertificates?: ReadonlyMap<string, string>
  /** `money`: ask PayPal for the event before money is booked. Needs `clientId` and `clientSecret`. */
  readonly confirm: "never" | "money"
  readonly clientId?: string
  readonly clientSecret?: Redacted.Redacted
  readonly apiOrigin: string
  /** A signed time older than this is refused: keys of that age are forgotten. Milliseconds. */
  readonly keyRetentionMs: number
  /** HMAC under which vault tokens are passed on. */
  readonly pseudonym: (token: string) => string
}

/** The provider's id of the event, else of the transmission, which the signature covers and which always fits a key. */
const keyOf = (event: JsonObject, delivery: Delivery, transmission: NonNullable<Identity["transmission"]>) =>
  fromParts("ev", textAt(event, "id")) ?? fromParts("tx", transmission.id) ?? ofRawBody(delivery.hash)

const interpretationOf = (event: JsonObject, facts: Interpretation["facts"]): Interpretation => ({
  eventType: wordAt(event, "event_type"),
  facts,
  note: facts.length === 0 ? "unmapped" : null
})

/**
 * PayPal: verification of deliveries and what their events mean. Throws a defect at start where an anchor is no
 * certificate, or where `confirm` lacks credentials.
 */
export const make = Effect.fn("PayPal.make")(function* (options: PayPalOptions) {
  const { clientId, clientSecret, endpoint } = options
  const certificates = yield* makeCertificates({
    environment: endpoint.environment,
    extraAnchors: options.extraAnchors,
    known: options.knownCertificates ?? new Map()
  })
  const rule = {
    webhookId: Redacted.value(options.webhookId),
    keyRetentionMs: options.keyRetentionMs,
    isAllowedUrl: urlRule(endpoint.environment, options.certOrigin),
    certificates
  }
  if (options.confirm === "money" && (clientId === undefined || clientSecret === undefined)) {
    return yield* Effect.die("PayPal: confirm=money needs clientId and clientSecret")
  }
  const lookup =
    options.confirm === "money" && clientId !== undefined && clientSecret !== undefined
      ? makeEventLookup({ apiOrigin: options.apiOrigin, clientId, clientSecret })
      : undefined
  const read = (event: JsonObject) => readFacts(event, options.pseudonym)

  const identify = Effect.fnUntraced(function* (delivery: Delivery) {
    const transmission = yield* verifyTransmission(delivery, rule)
    const parsed = parseObject(delivery.body)
    if (Result.isFailure(parsed))
      return { dedupKey: ofRawBody(delivery.hash), eventType: null, transmission, quarantine: true }
    const event = parsed.success
    const dedupKey = keyOf(event, delivery, transmission)
    const identity = { dedupKey, eventType: wordAt(event, "event_type"), transmission, quarantine: false }
    const facts = lookup === undefined ? yield* Effect.exit(read(event)) : undefined
    return facts?._tag === "Success"
      ? { ...identity, proven: interpretationOf(event, facts.value) }
      : identity
  })

  const interpret = Effect.fn("PayPal.interpret")(function* ({ body }: Event) {
    const event = yield* Effect.fromResult(parseObject(body)).pipe(
      Effect.mapError(() => ProcessFailed.of("permanent", "not_json_object"))
    )
    const stated = yield* read(event)
    return interpretationOf(
      event,
      lookup === undefined ? stated : yield* confirmMoney(event, stated, lookup, read)
    )
  })

  return { endpoint, aliases: [], identify, interpret } satisfies Provider
})
