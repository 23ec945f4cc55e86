import { Buffer } from "node:buffer"
import { Clock, Effect, Redacted, Result } from "effect"
import type { BillingFact } from "../../domain/BillingFact.ts"
import { digestText } from "../../domain/BillingFact.ts"
import { ProcessFailed, type ProposedFact } from "../../domain/Provider.ts"
import { decimalAt, textAt } from "./JsonFields.ts"
import { type Answer, ask, failureOf, type Question, unavailable } from "./ProviderHttp.ts"
import { type JsonObject, parseObject } from "./StrictJson.ts"

const TIME_LIMIT_MS = 10_000
const SIZE_LIMIT = 1_048_576
/** An answer of the API may hold what a webhook may not: a list of transmissions for each event. */
const LIMITS = { depth: 32, keys: 20_000 }
/** A token is renewed that long before it expires. */
const MARGIN_MS = 60_000

export interface PayPalApiOptions {
  readonly apiOrigin: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted
}

const askApi = (question: Pick<Question, "url" | "method" | "headers" | "body">) =>
  ask({ ...question, timeLimitMs: TIME_LIMIT_MS, sizeLimit: SIZE_LIMIT }).pipe(
    Effect.mapError(() => unavailable)
  )

/** The JSON object in an answer of status 200, or the failure of the world that it means. */
const objectOf = Effect.fnUntraced(function* (answer: Answer) {
  if (answer.status !== 200) return yield* failureOf(answer, yield* Clock.currentTimeMillis)
  return yield* Result.match(parseObject(answer.body, LIMITS), {
    onSuccess: (object) => Effect.succeed(object),
    onFailure: () => Effect.fail(unavailable)
  })
})

/** Asks PayPal for an event by its id. One token is kept; one that was refused is thrown away, the gate tries again. */
export const makeEventLookup = (options: PayPalApiOptions) => {
  let token: { readonly bearer: Redacted.Redacted; readonly until: number } | undefined

  const bearer = Effect.fnUntraced(function* () {
    const now = yield* Clock.currentTimeMillis
    if (token !== undefined && now < token.until) return token.bearer
    const basic = Buffer.from(`${options.clientId}:${Redacted.value(options.clientSecret)}`).toString(
      "base64"
    )
    const answer = yield* askApi({
      url: `${options.apiOrigin}/v1/oauth2/token`,
      method: "POST",
      headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
      body: "grant_type=client_credentials"
    })
    // What PayPal says about our credentials is never about the event: no "unconfirmed" from here.
    if (answer.status === 400 || answer.status === 404) {
      return yield* ProcessFailed.of("world", "provider_unauthorized")
    }
    const granted = yield* objectOf(answer)
    const text = textAt(granted, "access_token")
    if (text === undefined || !/^[!-~]{1,4096}$/u.test(text)) return yield* unavailable
    const lifeMs = Number(decimalAt(granted, "expires_in") ?? 0) * 1_000
    token = { bearer: Redacted.make(text), until: now + lifeMs - MARGIN_MS }
    return token.bearer
  })

  return Effect.fnUntraced(function* (eventId: string) {
    const answer = yield* askApi({
      url: `${options.apiOrigin}/v1/notifications/webhooks-events/${encodeURIComponent(eventId)}`,
      headers: { authorization: `Bearer ${Redacted.value(yield* bearer())}` }
    })
    if (answer.status === 401) token = undefined
    return yield* objectOf(answer)
  })
}

/** What must agree between the delivered body and PayPal's own record of the event. */
const essence = (facts: ReadonlyArray<ProposedFact>) =>
  facts
    .map(({ fact }) => [fact.type, fact.effect_key, fact.payment_reference, digestText(fact)].join("\n"))
    .join("\n\n")

const isMoney = (fact: BillingFact) => /^billing\.(?:payment|payout)\./u.test(fact.type)

/**
 * Confirms facts about money with PayPal's own record of the event: the signature covers a CRC-32 of the body only, so a
 * body with another amount can be made to fit it. A record that says otherwise is `payload_mismatch`, for a person to see.
 */
export const confirmMoney = Effect.fnUntraced(function* (
  event: JsonObject,
  facts: ReadonlyArray<ProposedFact>,
  lookup: ReturnType<typeof makeEventLookup>,
  read: (event: JsonObject) => Effect.Effect<ReadonlyArray<ProposedFact>, ProcessFailed>
) {
  if (!facts.some(({ fact }) => isMoney(fact))) return facts
  const eventId = textAt(event, "id")
  // Dots alone would leave the path; no event of PayPal's is named so, nor has none a name.
  if (eventId === undefined || !/^[A-Za-z0-9_-]{1,100}$/u.test(eventId)) {
    return yield* ProcessFailed.of("permanent", "uninterpretable")
  }
  const recorded = yield* lookup(eventId)
  const proven = yield* read(recorded).pipe(Effect.orElseSucceed(() => []))
  if (textAt(recorded, "id") !== eventId || essence(proven) !== essence(facts)) {
    return yield* ProcessFailed.of("permanent", "payload_mismatch")
  }
  return facts.map(({ fact }): ProposedFact => ({ fact: { ...fact, confirmed_by: "signature+requery" } }))
})
