import type { Finding } from "./Topics.ts"

/**
 * - `standby`: another relay is active
 * - `waiting`: Kafka or Postgres is away, and is tried again all the time
 * - `refused`: the two halves of the checkpoint disagree; a person decides
 * - `stopped`: Kafka said no to a record, or to us
 */
export type RelayState = "starting" | "standby" | "active" | "waiting" | "refused" | "stopped"

/** Where the relay of this process stands, for `status` and `relay status`. */
export interface RelayStatus {
  readonly state: RelayState
  /** Of the three states that are no good. */
  readonly reason: { readonly code: string; readonly explanation: string } | null
  /** Last position of the log that is in Kafka, or null before the first one of this process. */
  readonly position: number | null
  readonly batch: number | null
  /** Rows of the log not yet copied, wanted by a topic or not; 0 once a look found none, null where not active. */
  readonly backlog: number | null
  /** Time of the oldest row of the last page; null when nothing waits. */
  readonly oldestAt: Date | null
  readonly records: { readonly events: number; readonly outcomes: number }
  readonly transactions: number
  readonly clusterId: string | null
  /** Settings of the topics that are weaker than they should be. */
  readonly findings: ReadonlyArray<Finding>
}

export const initial: RelayStatus = {
  state: "starting",
  reason: null,
  position: null,
  batch: null,
  backlog: null,
  oldestAt: null,
  records: { events: 0, outcomes: 0 },
  transactions: 0,
  clusterId: null,
  findings: []
}

/** The status as it is now; one fiber writes it. */
export const makeCell = () => {
  let status = initial
  return {
    get: () => status,
    set: (change: Partial<RelayStatus>) => {
      status = { ...status, ...change }
    }
  }
}
export type StatusCell = ReturnType<typeof makeCell>
