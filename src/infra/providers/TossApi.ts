import { Buffer } from "node:buffer"
import { Clock, Effect, Redacted, Result } from "effect"
import { textAt } from "./JsonFields.ts"
import { ask, failureOf, unavailable } from "./ProviderHttp.ts"
import { type JsonObject, parseObject } from "./StrictJson.ts"
import type { PaymentName } from "./TossEvent.ts"

const TIME_LIMIT_MS = 10_000
const SIZE_LIMIT = 1_048_576
/** A payment lists every cancellation it ever had. */
const LIMITS = { depth: 32, keys: 50_000 }

export interface TossApiOptions {
  readonly apiOrigin: string
  readonly secretKey: Redacted.Redacted
}

/** The secret key is the user's name, and there is no password. */
export const basicOf = (options: TossApiOptions) =>
  `Basic ${Buffer.from(`${Redacted.value(options.secretKey)}:`).toString("base64")}`

/** Where a payment is asked for; the key or order id is one segment of the path, whatever it holds. */
export const paymentUrl = (apiOrigin: string, name: PaymentName) =>
  name.field === "paymentKey"
    ? `${apiOrigin}/v1/payments/${encodeURIComponent(name.value)}`
    : `${apiOrigin}/v1/payments/orders/${encodeURIComponent(name.value)}`

/**
 * Asks Toss for a payment. An answer about another payment, or none that can be read, is a fault on the way and no word
 * on this event: `provider_unavailable`, to be asked again, never booked and never parked.
 */
export const makePaymentLookup = (options: TossApiOptions) =>
  Effect.fnUntraced(function* (
    name: PaymentName
  ): Effect.fn.Return<JsonObject, ReturnType<typeof failureOf>> {
    const answer = yield* ask({
      url: paymentUrl(options.apiOrigin, name),
      headers: { authorization: basicOf(options) },
      timeLimitMs: TIME_LIMIT_MS,
      sizeLimit: SIZE_LIMIT
    }).pipe(Effect.mapError(() => unavailable))
    if (answer.status !== 200) return yield* failureOf(answer, yield* Clock.currentTimeMillis)
    const payment = Result.getOrUndefined(parseObject(answer.body, LIMITS))
    if (payment === undefined || textAt(payment, name.field) !== name.value) return yield* unavailable
    return payment
  })
