import { Effect } from "effect"
import { type DatabaseError, isSilence } from "./DatabaseError.ts"

/** What became of this row cannot be told. */
export interface Unknown {
  readonly result: "unknown"
  readonly error: DatabaseError
}

/** Lock and statement time-outs: the fault of one row, as far as anyone can tell. */
const STUCK: ReadonlySet<string> = new Set(["55P03", "57014"])

/** After so long no further row of a group is asked for apart: it is not known, and the provider comes again. */
const APART_MS = 3_000

/**
 * A further statement of a group, when the first one is committed for others of it: what fails here fails its own rows
 * only. One that is bad, or waits for a lock, is asked for apart from the rest.
 */
export const apart = <Item, Result>(
  once: (items: ReadonlyArray<Item>) => Effect.Effect<ReadonlyArray<Result>, DatabaseError>
) => {
  const all = (items: ReadonlyArray<Item>): Effect.Effect<ReadonlyArray<Result | Unknown>> =>
    Effect.suspend(() => {
      const begun = performance.now()
      return once(items).pipe(
        Effect.retry({ while: ({ fate }) => fate === "repeat", times: 20 }),
        Effect.retry({ while: (error) => error.fate === "ambiguous" && !isSilence(error), times: 1 }),
        Effect.catch((error) => {
          const unknown: Unknown = { result: "unknown", error }
          return items.length > 1 && (error.fate === "data" || STUCK.has(error.code))
            ? Effect.map(
                Effect.forEach(
                  items,
                  (item) =>
                    // All claims stand behind this group.
                    performance.now() - begun > APART_MS ? Effect.succeed([unknown]) : all([item]),
                  { concurrency: 2 }
                ),
                (results) => results.flat()
              )
            : Effect.succeed(items.map(() => unknown))
        })
      )
    })
  return (items: ReadonlyArray<Item>) => (items.length === 0 ? Effect.succeed([]) : all(items))
}
