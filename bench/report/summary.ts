import type { Measured } from "../Measured.ts"

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length === 0
    ? Number.NaN
    : sorted.length % 2 === 1
      ? sorted[middle]!
      : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Median of the rounds, with the least and the most. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** `undefined` where no round has the figure. */
export const spread = (values: ReadonlyArray<number | undefined>): Spread | undefined => {
  const there = values.filter((value) => value !== undefined && Number.isFinite(value)) as Array<number>
  return there.length === 0
    ? undefined
    : { median: median(there), least: Math.min(...there), most: Math.max(...there) }
}

export interface CellResult {
  readonly name: string
  /** Why it was left out, where it was. */
  readonly absent?: string
  readonly rounds: ReadonlyArray<Measured>
}

export interface ScenarioResult {
  readonly name: string
  readonly title: string
  readonly reference: string
  readonly cells: ReadonlyArray<CellResult>
}

/** Of the rounds that were right, and none else: a fast wrong answer counts as none. */
export const of = (cell: CellResult, figure: (measured: Measured) => number | undefined) =>
  spread(cell.rounds.filter(({ isRight }) => isRight).map(figure))

/** The cell's rate against the reference's of the same round. */
export const ratio = (scenario: ScenarioResult, cell: CellResult) => {
  const reference = scenario.cells.find(({ name }) => name === scenario.reference)
  return spread(
    cell.rounds.map((measured) => {
      const other = reference?.rounds.find(({ round }) => round === measured.round)
      return measured.isRight &&
        other?.isRight === true &&
        measured.rate !== undefined &&
        other.rate !== undefined
        ? measured.rate / other.rate
        : undefined
    })
  )
}

/** CPU seconds that a part used for a thousand answers. */
export const perThousand = (part: string) => (measured: Measured) =>
  measured.cpu?.[part] === undefined || !measured.measured
    ? undefined
    : (measured.cpu[part] * 1000) / measured.measured
