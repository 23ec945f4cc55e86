import { DuplicateState } from "../domain/GateEvent.ts"
import type { Settled } from "../domain/process.ts"
import { type Problem, processingFailed } from "./Problems.ts"

/** A body of 200 as it leaves the house, or a problem. Exactly 200, never another 2xx: Toss counts nothing else. */
export type Answer = { readonly status: 200; readonly name: string; readonly body: string } | Problem

const answer = (name: string, body: object): Answer => ({ status: 200, name, body: JSON.stringify(body) })

export const processed = answer("processed", { status: "processed" })
/** Still at work at the deadline, or taken over by another worker: ours, in any case. */
export const accepted = answer("accepted", { status: "accepted" })
export const quarantined = answer("quarantined", { status: "quarantined" })
const retryScheduled = answer("retry_scheduled", { status: "retry_scheduled" })
const parked = answer("parked", { status: "parked" })

const duplicates = new Map(
  DuplicateState.literals.map((state) => [
    state,
    answer("already_processed", { status: "already_processed", state })
  ])
)
export const duplicate = (state: DuplicateState) => duplicates.get(state)!

export const settled = (result: Settled, failureAnswer: 200 | 500): Answer => {
  if (result === "processed") return processed
  if (result === "lost") return accepted
  if (failureAnswer === 500) return processingFailed
  return result === "parked" ? parked : retryScheduled
}
