import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"

/** A folder of its own, gone with the scope. */
export const scratchFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "oncegate-simulator-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)
