import { Effect, Metric } from "effect"

const rows = Metric.histogram("oncegate_group_rows", {
  description: "Rows of a grouped statement",
  boundaries: [1, 2, 5, 10, 20, 50, 100, 200]
})
const waited = Metric.histogram("oncegate_group_wait_seconds", {
  description: "How long the row that waited longest stood in the queue before its statement was sent",
  boundaries: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
})
const statement = Metric.histogram("oncegate_statement_seconds", {
  description: "A grouped statement from sending to its reply, repeats and waits for locks included",
  boundaries: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
})

/** What a kind of statement costs; told once for a group, not for a row, so that it is cheap enough to stay on. */
export const of = (name: string) => {
  const attributes = { statement: name }
  const mine = {
    rows: Metric.withAttributes(rows, attributes),
    waited: Metric.withAttributes(waited, attributes),
    statement: Metric.withAttributes(statement, attributes)
  }
  return (told: { readonly rows: number; readonly waitedMs: number; readonly statementMs: number }) =>
    Effect.all(
      [
        Metric.update(mine.rows, told.rows),
        Metric.update(mine.waited, told.waitedMs / 1_000),
        Metric.update(mine.statement, told.statementMs / 1_000)
      ],
      { discard: true }
    )
}
