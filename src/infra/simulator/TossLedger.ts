import type { Arrival } from "./Deposits.ts"
import type { Json } from "./SimulatedEvent.ts"
import { withOffset } from "./TossTime.ts"

const PAGE = 100
const LONGEST_PAGE = 5_000

/** A time of the query, Korean where it names no offset; NaN where it is none. */
const epochOf = (text: string | null) =>
  Date.parse(text === null || /(Z|[+-]\d{2}:\d{2})$/.test(text) ? (text ?? "") : `${text}+09:00`)

/** Toss's Transaction object. Whatever was not approved is no transaction and has no key. */
const transactionOf = ({ at, payment }: Arrival): Json => ({
  mId: payment.mId,
  transactionKey: payment.lastTransactionKey,
  paymentKey: payment.paymentKey,
  orderId: payment.orderId,
  method: payment.method,
  customerKey: "",
  useEscrow: payment.useEscrow,
  receiptUrl: (payment.receipt as Json | undefined)?.url,
  status: payment.status,
  transactionAt: withOffset(at),
  currency: payment.currency,
  amount: payment.totalAmount
})

/**
 * Toss's list of transactions, oldest first, page by page. The time of one is the time when the simulator came to know
 * of it: a seed may set a payment in any year. Undefined where the query is none.
 */
export const page = (
  arrivals: ReadonlyArray<Arrival>,
  query: URLSearchParams
): ReadonlyArray<Json> | undefined => {
  const from = epochOf(query.get("startDate"))
  const to = epochOf(query.get("endDate"))
  const limit = Number(query.get("limit") ?? PAGE)
  if (Number.isNaN(from + to) || !Number.isInteger(limit) || limit < 1 || limit > LONGEST_PAGE)
    return undefined
  const after = query.get("startingAfter")
  const asked = arrivals.filter(
    ({ at, payment }) => at >= from && at <= to && typeof payment.lastTransactionKey === "string"
  )
  const begin =
    after === null ? 0 : asked.findIndex(({ payment }) => payment.lastTransactionKey === after) + 1
  if (after !== null && begin === 0) return undefined
  return asked.slice(begin, begin + limit).map(transactionOf)
}
