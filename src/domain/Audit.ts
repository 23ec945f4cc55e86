import { Result } from "effect"
import type { Difference } from "./Difference.ts"
import { evolve, type GateState, unseen } from "./Gate.ts"
import { isChange } from "./GateEvent.ts"
import { upcast } from "./upcast.ts"

/** A row of the log, as it is stored. `at` in milliseconds. */
export interface LogEntry {
  readonly position: number
  readonly version: number
  readonly type: string
  readonly typeVersion: number
  readonly data: unknown
  readonly at: number
}

/** What the table says about an event. */
export interface TableRow {
  readonly status: string
  readonly fence: number
  readonly version: number
  readonly attempts: number
  readonly failures: number
  readonly errorCode: string | null
  readonly parked: boolean
  readonly firstSeenAt: number
  /** A body is in custody. */
  readonly body: boolean
}

/** What retention may rightly have taken, in milliseconds: whatever ended before. Negative infinity: nothing yet. */
export interface Horizon {
  readonly log: number
  readonly keys: number
  readonly bodies: number
  readonly bodiesWithoutFact: number
}

/** The log of one event so far. */
export interface Fold {
  readonly state: GateState
  readonly version: number
  readonly errorCode: string | null
  readonly requestHash: string | null
  readonly eventType: string | null
  /** Version of the first change that is still in the log; 0 where there is none. */
  readonly firstVersion: number
  /** The gate itself made the row, so it put a body into custody. */
  readonly born: boolean
  /** It ended with nothing booked and nothing to book: its body is kept longer. */
  readonly factless: boolean
  readonly changedAt: number
  /** Facts recorded since the last change. */
  readonly facts: ReadonlyArray<string>
  readonly differences: ReadonlyArray<Difference>
}

export const nothing: Fold = {
  state: unseen,
  version: 0,
  errorCode: null,
  requestHash: null,
  eventType: null,
  firstVersion: 0,
  born: false,
  factless: false,
  changedAt: 0,
  facts: [],
  differences: []
}

/** The table's clock is read a moment before the log's, in the same statement. */
const MOMENT_MS = 60_000

const isGone = (at: number, before: number) => at <= before + MOMENT_MS

const sameFacts = (recorded: ReadonlyArray<string>, named: ReadonlyArray<string>) =>
  recorded.length === named.length && recorded.every((key) => named.includes(key))

/** Of one event: more of them say nothing new. */
const MOST = 20
const noted = (all: ReadonlyArray<Difference>, one: Difference) => (all.length < MOST ? [...all, one] : all)

/** The fold after one more row, in the order of positions. Never fails: what cannot be is noted as a difference. */
export const step = (fold: Fold, entry: LogEntry, horizon: Horizon): Fold => {
  const read = upcast(entry.type, entry.typeVersion, entry.data)
  if (Result.isFailure(read)) {
    const code = read.failure.newer ? "event_of_newer_version" : "event_unreadable"
    return {
      ...fold,
      differences: noted(fold.differences, {
        code,
        expected: entry.type,
        found: `position ${entry.position}`
      })
    }
  }
  const event = read.success
  if (!isChange(event))
    return event._tag === "BillingEventRecorded"
      ? { ...fold, facts: [...fold.facts, event.fact.effect_key] }
      : fold

  // A key that was purged and seen again begins anew.
  const anew = entry.version === 1 && fold.state._tag === "Done" && isGone(fold.changedAt, horizon.keys)
  const before = anew ? { ...nothing, facts: fold.facts, differences: fold.differences } : fold
  let differences = before.differences
  if (before.firstVersion > 0 && entry.version !== before.version + 1)
    differences = noted(differences, {
      code: "version_gap",
      expected: before.version + 1,
      found: entry.version
    })
  const isCut = before.firstVersion === 0 && entry.version > 1
  if (
    !isCut &&
    (event._tag === "Completed" || event._tag === "Reinterpreted") &&
    !sameFacts(before.facts, event.effects)
  )
    differences = noted(differences, {
      code: "facts_of_completion",
      expected: event.effects.length,
      found: before.facts.length
    })

  const state = evolve(before.state, event)
  const first = before.firstVersion === 0
  return {
    state,
    version: entry.version,
    errorCode:
      event._tag === "Dismissed"
        ? "dismissed"
        : event._tag === "Reinterpreted"
          ? before.errorCode
          : "code" in state
            ? state.code
            : null,
    requestHash: "request_hash" in event ? event.request_hash : before.requestHash,
    eventType: ("event_type" in event ? event.event_type : undefined) ?? before.eventType,
    firstVersion: first ? entry.version : before.firstVersion,
    born: first
      ? entry.version === 1 &&
        (event._tag === "Claimed" ||
          event._tag === "Quarantined" ||
          (event._tag === "Parked" && event.code === "payload_mismatch"))
      : before.born,
    factless:
      event._tag === "Completed" && event.effects.length === 0 && event.note !== "effect_already_recorded",
    changedAt: entry.at,
    facts: [],
    differences
  }
}

const statusOf = {
  Unseen: "none",
  Processing: "processing",
  Failed: "failed",
  Parked: "failed",
  Done: "done"
}

/**
 * - `compared`: the row follows from its log
 * - `purged`: its key was deleted, its log is still there
 * - `without_history`: written by the earlier gate, or by somebody who named its columns only
 * - `beyond_horizon`: its log, or the beginning of it, was dropped
 * - `notes_only`: forgeries and the like; no event
 */
export type Kind = "compared" | "purged" | "without_history" | "beyond_horizon" | "notes_only"

export interface Finished {
  readonly kind: Kind
  readonly differences: ReadonlyArray<Difference>
}

const compare = (fold: Fold, row: TableRow): ReadonlyArray<Difference> => {
  const { state } = fold
  const standing = state._tag === "Unseen" ? { fence: 0, attempts: 0, failures: 0 } : state
  const pairs: ReadonlyArray<
    readonly [string, string | number | boolean | null, string | number | boolean | null]
  > = [
    ["status", statusOf[state._tag], row.status],
    ["fence", standing.fence, row.fence],
    ["version", fold.version, row.version],
    ["attempts", standing.attempts, row.attempts],
    ["failures", standing.failures, row.failures],
    ["error_code", fold.errorCode, row.errorCode],
    ["parked", state._tag === "Parked", row.parked]
  ]
  return pairs.flatMap(([field, expected, found]) =>
    expected === found ? [] : [{ code: "row_differs", field, expected, found } as const]
  )
}

/** An open event cannot be processed without its body; a done one keeps it for a while. */
const lacksBody = (fold: Fold, row: TableRow, horizon: Horizon) => {
  if (row.body || !fold.born || fold.errorCode === "no_custody") return false
  return (
    row.status !== "done" ||
    !isGone(fold.changedAt, fold.factless ? horizon.bodiesWithoutFact : horizon.bodies)
  )
}

/** The verdict on one event, at the end of its log. */
export const finish = (fold: Fold, row: TableRow | null, horizon: Horizon): Finished => {
  const { differences, firstVersion, state } = fold
  const done = (kind: Kind, more: ReadonlyArray<Difference> = []): Finished => ({
    kind,
    differences: [...differences, ...more]
  })
  const purged = state._tag === "Done" && isGone(fold.changedAt, horizon.keys)
  if (row === null) {
    if (firstVersion === 0) return done("notes_only")
    return purged
      ? done("purged")
      : done("compared", [{ code: "row_missing", expected: statusOf[state._tag], found: null }])
  }
  if (row.version === 0 && (firstVersion === 0 || purged)) return done("without_history")
  const beyond = firstVersion !== 1 && isGone(row.firstSeenAt, horizon.log)
  if (firstVersion === 0)
    return beyond
      ? done("beyond_horizon")
      : done("compared", [{ code: "log_missing", expected: row.version, found: 0 }])
  const gap: ReadonlyArray<Difference> =
    firstVersion > 1 && !beyond ? [{ code: "version_gap", expected: 1, found: firstVersion }] : []
  return done(beyond ? "beyond_horizon" : "compared", [
    ...gap,
    ...compare(fold, row),
    ...(lacksBody(fold, row, horizon)
      ? [{ code: "body_missing", expected: "in custody", found: null } as const]
      : [])
  ])
}
