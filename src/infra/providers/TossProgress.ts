import { listAt, textAt, wordAt } from "./JsonFields.ts"
import { epochMs } from "./ProviderTime.ts"
import type { JsonObject } from "./StrictJson.ts"
import type { Announcement } from "./TossEvent.ts"
import { isVirtualAccount } from "./TossFacts.ts"

/** How far a payment has come. States of one rank end it in different ways, and none of them follows another. */
const RANK: Readonly<Record<string, number>> = {
  READY: 0,
  IN_PROGRESS: 1,
  WAITING_FOR_DEPOSIT: 2,
  DONE: 3,
  ABORTED: 3,
  EXPIRED: 3,
  PARTIAL_CANCELED: 4,
  CANCELED: 5
}

/** No answer of the API is that old. */
const LAG_LIMIT_MS = 3_600_000

/**
 * Whether the API's answer is still before the state that an event announced (it then says nothing yet, and is asked
 * again); an answer past it is as good as one at it.
 */
export const isBefore = (payment: JsonObject, announced: Announcement, now: number): boolean => {
  const status = wordAt(payment, "status")
  const wanted = RANK[announced.status ?? ""]
  const found = RANK[status ?? ""]
  // A state we do not know cannot be ranked: what the history proves is booked.
  if (wanted === undefined || found === undefined) return false
  const createdAt = epochMs(announced.createdAt, "+09:00")
  const isOld = createdAt !== undefined && now - createdAt > LAG_LIMIT_MS
  if (found < wanted) {
    // A deposit that was taken back: DONE to WAITING_FOR_DEPOSIT is a legal step, and the answer is then past the
    // announced state though it looks like before it. An hour on, nothing but that explains it.
    return !(isOld && status === "WAITING_FOR_DEPOSIT" && isVirtualAccount(payment))
  }
  if (announced.status !== "PARTIAL_CANCELED" && announced.status !== "CANCELED") return false
  const cancels = listAt(payment, "cancels")
  // How it ends is told by an event that names no payment: if we did not wait for it, that refund would be lost.
  if (cancels.some((entry) => wordAt(entry, "cancelStatus") === "IN_PROGRESS")) return true
  // The second of two partial cancellations announces the state that the first one has reached already.
  const isShown =
    cancels.length === 0 ||
    cancels.some((entry) => textAt(entry, "transactionKey") === announced.transactionKey)
  return found === RANK.PARTIAL_CANCELED && announced.transactionKey !== undefined && !isShown && !isOld
}
