import { Effect } from "effect"
import type { GateStatus, LocalRelay, RelayStanding } from "../../domain/GateStatus.ts"
import type { Connection } from "./Database.ts"
import * as RelayReports from "./RelayReports.ts"
import { doneLastHour, nextRows, openRows, relayRow, unpublishedRows } from "./statusStatement.ts"

/** Before the first row of any log. */
const ORIGIN = "1:1:"

/** What the relays of other processes say. */
const standingOf = (reports: ReadonlyArray<RelayReports.RelayReport>) => {
  const found = RelayReports.together(reports)
  return (
    found && {
      state: found.state,
      reason: found.code === null ? null : { code: found.code, explanation: found.explanation ?? "" }
    }
  )
}

/** Everything that `status` shows, in a few short statements. */
export const readStatus = Effect.fnUntraced(function* (
  connection: Connection,
  localRelay: typeof LocalRelay.Service
) {
  const [open, done, [relay]] = yield* Effect.all(
    [openRows(connection), doneLastHour(connection), relayRow(connection)],
    { concurrency: 2 }
  )
  const checkpoint = relay!
  const position = checkpoint.row_position ?? "-1"
  const from = checkpoint.from_snapshot ?? ORIGIN
  const counting = yield* unpublishedRows(connection, from, checkpoint.to_snapshot ?? ORIGIN, position)
  const exact = counting.every(({ complete }) => complete)
  // By transaction id the first ones of a large backlog are those that are published already.
  const waiting = exact || Number(position) < 0 ? counting : yield* nextRows(connection, from, position)
  const counted = waiting.reduce((sum, row) => sum + row.waiting, 0)
  const oldest = waiting.map((row) => row.oldest).filter((age) => age !== null)
  const local = (yield* localRelay) ?? standingOf(yield* RelayReports.read(connection))
  return {
    at: checkpoint.now,
    endpoints: open.map((row) => {
      const hour = done.find(({ endpoint }) => endpoint === row.endpoint)
      return {
        ...row,
        done_last_hour: done.some(({ complete }) => !complete) ? null : (hour?.done ?? 0),
        unpublished: waiting.find(({ endpoint }) => endpoint === row.endpoint)?.waiting ?? 0
      }
    }),
    relay: {
      state: local?.state ?? "absent",
      reason: local?.reason ?? null,
      position: checkpoint.row_position === null ? null : Number(checkpoint.row_position),
      confirmed_at: checkpoint.confirmed_at,
      unpublished: exact
        ? counted
        : Math.max(counted, Number(checkpoint.head) - Math.max(0, Number(position))),
      unpublished_exact: exact,
      oldest_unpublished_seconds: oldest.length === 0 ? null : Math.max(...oldest)
    } satisfies RelayStanding
  } satisfies GateStatus
})
