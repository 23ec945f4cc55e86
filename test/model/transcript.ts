import type { Step } from "../../src/testing/Step.ts"

/** One step as it was made at a real gate. `-`: the step had no claim to present. */
export interface Heard {
  readonly step: Step
  readonly fence: number | undefined
  readonly answer: string
}

/** Steps that were made at the same moment, after a wait. */
export interface HeardRound {
  readonly waitMinutes: number
  readonly heard: ReadonlyArray<Heard>
}

/** What the tables say of one event in the end. */
export interface FinalRow {
  readonly status: string
  readonly fence: number
  readonly attempts: number
  readonly failures: number
  readonly version: number
  readonly error_code: string | null
  readonly parked: boolean
  readonly leased: boolean
}

export interface Transcript {
  readonly rounds: ReadonlyArray<HeardRound>
  /** By event: its row, its changes in short form, oldest first, and its notes with their counts. */
  readonly rows: Readonly<Record<string, FinalRow | undefined>>
  readonly changes: Readonly<Record<string, ReadonlyArray<string>>>
  readonly notes: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly booked: ReadonlyArray<string>
}
