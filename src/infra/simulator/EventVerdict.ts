import type { Received } from "./Courier.ts"
import type { SimulatedEvent } from "./SimulatedEvent.ts"

/** An event of a run and what came back for its copies, in the order of the answers. */
export interface Told {
  readonly event: SimulatedEvent
  readonly received: Array<Received>
}

/** What an answer says: `processed` also where the work went on past the gate's deadline (`accepted`). */
export const kindOf = ({ httpStatus, status }: Received) => {
  if (httpStatus !== 200) return "error"
  if (status === "processed" || status === "accepted") return "processed"
  return status === "already_processed" ? "already_processed" : "other"
}

/** Exactly one copy processed, every other one answered `already_processed`, and no copy left out. */
export const isExactlyOnce = ({ event, received }: Told) =>
  received.length === event.copies.length &&
  received.filter((one) => kindOf(one) === "processed").length === 1 &&
  received.every((one) => kindOf(one) === "processed" || kindOf(one) === "already_processed")

/** Some copy was answered 200: from then on the gate owes the facts. */
export const isAnswered = ({ received }: Told) => received.some((one) => one.httpStatus === 200)
