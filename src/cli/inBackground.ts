import { setPriority } from "node:os"
import { Effect } from "effect"

/** Steps back behind the gates of the same machine; where the system allows no such thing, all is as before. */
export const inBackground = Effect.sync(() => {
  try {
    setPriority(15)
  } catch {
    // not ours to decide
  }
})
