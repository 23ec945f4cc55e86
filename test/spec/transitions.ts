import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Result } from "effect"
import { evolve, type GateState, unseen } from "../../src/domain/Gate.ts"
import { isChange } from "../../src/domain/GateEvent.ts"
import { upcast } from "../../src/domain/upcast.ts"

const model = readFileSync(fileURLToPath(new URL("../../spec/gate.pml", import.meta.url)), "utf8")

/** A change of state, as `from, event -> to`. */
export const transition = (from: string, event: string, to: string) => `${from}, ${event} -> ${to}`

/** Every way in which the checked model changes the state: the arguments of its only assignment. Mutations of it are left out. */
export const modelled: ReadonlySet<string> = new Set(
  [
    ...model
      .replace(/^#ifdef DONE_REOPENED\n[\s\S]*?^#endif$/gm, "")
      .replace(/^#define move[\s\S]*?[^\\]$/m, "")
      .matchAll(/move\((\w+), (\w+), (\w+)\)/g)
  ].map(([, from, event, to]) => transition(from!, event!, to!))
)

/** How often the model's text assigns the state. */
export const assignments = [...model.matchAll(/(?<![\w.])state = /g)].length

/**
 * What the model leaves out, on purpose: events that are born parked and wait for a person, and facts that a person books
 * later for an event that stays done.
 */
export const leftOut: ReadonlySet<string> = new Set([
  transition("Unseen", "Quarantined", "Parked"),
  transition("Unseen", "Parked", "Parked"),
  transition("Done", "Reinterpreted", "Done")
])

/** Row of a real log, oldest first within its event. */
export interface LogRow {
  readonly provider: string
  readonly dedup_key: string
  readonly type: string
  readonly type_version: number
  readonly data: unknown
}

/** Replays a real log on the machine: the changes of state that it holds, and how often. */
export const replayed = (log: ReadonlyArray<LogRow>): ReadonlyMap<string, number> => {
  const states = new Map<string, GateState>()
  const counts = new Map<string, number>()
  for (const { data, dedup_key, provider, type, type_version } of log) {
    const event = Result.getOrThrow(upcast(type, type_version, data))
    if (!isChange(event)) continue
    const name = `${provider} ${dedup_key}`
    const before = states.get(name) ?? unseen
    const after = evolve(before, event)
    states.set(name, after)
    const made = transition(before._tag, event._tag, after._tag)
    counts.set(made, (counts.get(made) ?? 0) + 1)
  }
  return counts
}

/** Changes of a real log that the checked model does not have. */
export const unmodelled = (log: ReadonlyArray<LogRow>) =>
  [...replayed(log).keys()].filter((made) => !modelled.has(made) && !leftOut.has(made))

/** The statement that exports the log of a database. */
export const LOG =
  "SELECT provider, dedup_key, type, type_version, data FROM webhook_event_log ORDER BY position"
