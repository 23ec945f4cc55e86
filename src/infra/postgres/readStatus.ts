import { Effect } from "effect"
import type { GateStatus, LocalRelay, RelayStanding } from "../../domain/GateStatus.ts"
import type { Connection } from "./Database.ts"
import { doneLastHour, openRows, relayRow, unpublishedRows } from "./statusStatement.ts"

/** Before the first row of any log. */
const ORIGIN = "1:1:"

/** Everything that `status` shows, in four short statements. */
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
  const waiting = yield* unpublishedRows(
    connection,
    checkpoint.from_snapshot ?? ORIGIN,
    checkpoint.to_snapshot ?? ORIGIN,
    position
  )
  const exact = waiting.every(({ complete }) => complete)
  const counted = waiting.reduce((sum, row) => sum + row.waiting, 0)
  const oldest = waiting.map((row) => row.oldest).filter((age) => age !== null)
  const local = yield* localRelay
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
      state: local?.state ?? (checkpoint.running ? "running" : "absent"),
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
