import type { Received } from "./Courier.ts"
import type { SimulatedEvent } from "./SimulatedEvent.ts"

/** An event of a run and what came back for its copies, in the order of the answers. */
export interface Told {
  readonly event: SimulatedEvent
  /** The last answer to each copy. */
  readonly received: Array<Received>
  /** Attempts before it that got no 200, where deliveries are retried as a provider does. */
  readonly lost: Array<Received>
}

/** What an answer says: `processed` also where the work went on past the gate's deadline (`accepted`). */
export const kindOf = ({ httpStatus, status }: Received) => {
  if (httpStatus !== 200) return "error"
  if (status === "processed" || status === "accepted") return "processed"
  return status === "already_processed" ? "already_processed" : "other"
}

/**
 * Exactly one copy processed, every other one answered `already_processed`, and no copy left out. Where an answer was
 * lost, `processed` may have been lost with it.
 */
export const isExactlyOnce = ({ event, lost, received }: Told) => {
  const processed = received.filter((one) => kindOf(one) === "processed").length
  return (
    received.length === event.copies.length &&
    (processed === 1 || (processed === 0 && lost.length > 0)) &&
    received.every((one) => kindOf(one) === "processed" || kindOf(one) === "already_processed")
  )
}

/** Some copy was answered 200: from then on the gate owes the facts. */
export const isAnswered = ({ received }: Told) => received.some((one) => one.httpStatus === 200)
