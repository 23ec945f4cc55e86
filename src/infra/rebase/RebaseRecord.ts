import { Effect } from "effect"
import type { Connection } from "../postgres/Database.ts"
import type { StartAt } from "./StartAt.ts"

/** Who rebases, and why. */
export interface Act {
  readonly by: string
  readonly reason: string
}

/** Stands before anything is changed; its id. */
export const begin = (connection: Connection, act: Act, startAt: StartAt, refusal: string | null) =>
  Effect.map(
    connection.query<{ id: string }>(
      "rebase record",
      `INSERT INTO relay_rebases (acted_by, reason, refusal, start_at) VALUES ($1, $2, $3, $4) RETURNING id`,
      [act.by, act.reason, refusal, String(startAt)]
    ),
    ([row]) => row!.id
  )

/** Counts only: neither a snapshot nor a key is of use to anybody later. */
export const finish = (
  connection: Connection,
  id: string,
  found: Readonly<Record<string, unknown>> & { readonly differing: ReadonlyArray<unknown> }
) =>
  connection.query(
    "rebase record",
    "UPDATE relay_rebases SET finished_at = clock_timestamp(), summary = $2::text::jsonb WHERE id = $1::bigint RETURNING 1",
    [id, JSON.stringify({ ...found, snapshot: undefined, differing: found.differing.length })]
  )
