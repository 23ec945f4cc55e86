import * as SeededRandom from "../../src/infra/simulator/SeededRandom.ts"

/** What can go wrong, each in its turn. */
export const kinds = [
  "kill",
  "stop",
  "postgres_crash",
  "sessions_ended",
  "broker_kill",
  "lost_replies",
  "disk_full",
  "wrong_clock",
  "slow_api",
  "failing_api",
  "lying_api"
] as const
export type Kind = (typeof kinds)[number]

export interface Fault {
  /** Milliseconds after the start. */
  readonly at: number
  readonly kind: Kind
  /** Which gate it strikes, where it strikes one. */
  readonly gate: number
}

const FIRST_MS = 5_000
/** Between the beginnings of two faults. */
const GAP_MS: readonly [number, number] = [4_500, 7_000]
/** No fault begins in the last part of a run: all must be right again by its end. */
export const TAIL_MS = 40_000

/** The faults of a run, in rounds in which each kind comes once. They follow from the seed and the length alone. */
export const plan = (seed: string, lengthMs: number, gates: number): ReadonlyArray<Fault> => {
  const random = SeededRandom.make(`${seed}/faults`)
  const faults: Array<Fault> = []
  let round: Array<Kind> = []
  for (let at = FIRST_MS; at < lengthMs - TAIL_MS; at += random.int(...GAP_MS)) {
    if (round.length === 0) round = [...random.shuffle(kinds)]
    faults.push({ at, kind: round.pop()!, gate: random.int(0, gates - 1) })
  }
  return faults
}
