import { Buffer } from "node:buffer"
import { Clock, Effect } from "effect"
import type { ProcessFailed } from "../../domain/Provider.ts"
import { ask, failureOf, unavailable } from "./ProviderHttp.ts"
import { basicOf, type TossApiOptions } from "./TossApi.ts"
import { nameText } from "./TossEvent.ts"

/** The most that Toss gives at once. */
const PAGE = 5_000
/** Past as many as are remembered (`LookupQueue`) nobody reads on: half a million transactions. */
const PAGES = 100
const SIZE_LIMIT = 16_777_216
/** Toss allows itself a minute; a list that takes so long is of no use to those who wait. */
const TIME_LIMIT_MS = 5_000
/** Before the last reading, for what shows late; after now, for a clock that is behind. */
const MARGIN_MS = 60_000
const KOREA_MS = 9 * 3_600_000

const localTime = (at: number) => new Date(at + KOREA_MS).toISOString().slice(0, 19)

interface Transaction {
  readonly transactionKey?: unknown
  readonly paymentKey?: unknown
  readonly orderId?: unknown
}

const parsed = (body: Uint8Array): ReadonlyArray<Transaction | null> | undefined => {
  try {
    const list: unknown = JSON.parse(Buffer.from(body).toString("utf8"))
    return Array.isArray(list) ? list : undefined
  } catch {
    return undefined
  }
}

/**
 * Tells the payments of the merchant's own transactions (approvals and cancellations) since a time in milliseconds, by
 * payment key and by order id, in the form of `nameText`, page by page. Says who may go first, and proves nothing.
 * https://docs.tosspayments.com/reference#%EA%B1%B0%EB%9E%98-%EC%A1%B0%ED%9A%8C
 */
export const makeRecentPayments = (options: TossApiOptions) =>
  Effect.fnUntraced(function* (
    since: number,
    onNames: (names: ReadonlyArray<string>) => void
  ): Effect.fn.Return<void, ProcessFailed> {
    const now = yield* Clock.currentTimeMillis
    let after = ""
    for (let page = 0; page < PAGES; page += 1) {
      const query = new URLSearchParams({
        startDate: localTime(since - MARGIN_MS),
        endDate: localTime(now + MARGIN_MS),
        limit: String(PAGE)
      })
      if (after !== "") query.set("startingAfter", after)
      const answer = yield* ask({
        url: `${options.apiOrigin}/v1/transactions?${query}`,
        headers: { authorization: basicOf(options) },
        timeLimitMs: TIME_LIMIT_MS,
        sizeLimit: SIZE_LIMIT
      }).pipe(Effect.mapError(() => unavailable))
      if (answer.status !== 200) return yield* failureOf(answer, now)
      const list = parsed(answer.body)
      if (list === undefined) return yield* unavailable
      const names: Array<string> = []
      for (const one of list) {
        if (typeof one?.paymentKey === "string") names.push(nameText("paymentKey", one.paymentKey))
        if (typeof one?.orderId === "string") names.push(nameText("orderId", one.orderId))
      }
      onNames(names)
      const last = list.at(-1)?.transactionKey
      if (list.length < PAGE || typeof last !== "string") break
      after = last
    }
  })
