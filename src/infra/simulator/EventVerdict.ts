import type { Received } from "./Courier.ts"
import type { SimulatedEvent } from "./SimulatedEvent.ts"

/** An event of a run and what came back for its copies, in the order of the answers. */
export interface Told {
  readonly event: SimulatedEvent
  /** The last answer to each copy. */
  readonly received: Array<Received>
  /** Attempts before it that got no 200, where deliveries are retried as a provider does. */
  readonly lost: Array<Received>
  /** Whether the gate said that it is done; it was asked again where no answer told. */
  isFinished: boolean
}

/** What an answer says: `processed` also where the work went on past the gate's deadline (`accepted`). */
export const kindOf = ({ httpStatus, status }: Received) => {
  if (httpStatus !== 200) return "error"
  if (status === "processed" || status === "accepted") return "processed"
  return status === "already_processed" ? "already_processed" : "other"
}

const timesProcessed = ({ received }: Told) => received.filter((one) => kindOf(one) === "processed").length

/** The answer `processed` was lost with an attempt that got no 200, and the gate said later that it is done. */
export const isUnseen = (told: Told) => timesProcessed(told) === 0 && told.lost.length > 0 && told.isFinished

/** Exactly one copy processed, seen or unseen, every other one answered `already_processed`, and no copy left out. */
export const isExactlyOnce = (told: Told) =>
  told.received.length === told.event.copies.length &&
  (timesProcessed(told) === 1 || isUnseen(told)) &&
  told.received.every((one) => kindOf(one) === "processed" || kindOf(one) === "already_processed")

/** Some copy was answered 200: from then on the gate owes the facts. */
export const isAnswered = ({ received }: Told) => received.some((one) => one.httpStatus === 200)
