import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect, Option, Schema } from "effect"
import { EmbeddedFailed } from "./EmbeddedFailed.ts"
import { find, isRunning, type LocalProcess } from "./LocalProcess.ts"

const Owner = Schema.fromJsonString(Schema.Struct({ pid: Schema.Int, started: Schema.String }))

/**
 * Makes `folder` and keeps it for this process until the scope closes. A server left behind in it by an owner that was
 * killed may be stopped; one whose owner lives belongs to another Oncegate and is left alone, so the start is refused.
 */
export const own = (part: EmbeddedFailed["part"], folder: string) => {
  const file = path.join(folder, "owner.json")
  const me = find(process.pid)!
  const isMine = (owner: LocalProcess) => owner.pid === me.pid && owner.started === me.started

  const take = Effect.gen(function* () {
    yield* Effect.try({
      try: () => makeFolder(folder),
      catch: (error) => unwritable(part, folder, error)
    })
    const owner = readOwner(file)
    if (Option.isSome(owner) && isRunning(owner.value)) {
      return yield* new EmbeddedFailed({
        part,
        reason: `the data folder ${folder} is in use by ${isMine(owner.value) ? "this process" : `process ${owner.value.pid}`}`,
        advice: "Stop that Oncegate first, or give this one another folder with ONCEGATE_DATA_DIR"
      })
    }
    yield* Effect.try({
      try: () => {
        rmSync(file, { force: true })
        // Exclusive: of two starts at the same moment one fails here, and the servers' own locks stand behind it.
        writeFileSync(file, JSON.stringify(me), { flag: "wx", mode: 0o600 })
      },
      catch: (error) => unwritable(part, folder, error)
    })
  })
  return Effect.acquireRelease(take, () => Effect.sync(() => rmSync(file, { force: true })))
}

const readOwner = (file: string): Option.Option<LocalProcess> => {
  try {
    return Schema.decodeUnknownOption(Owner)(readFileSync(file, "utf8"))
  } catch {
    return Option.none()
  }
}

/** The one error for every way in which a data folder cannot be written. */
export const unwritable = (part: EmbeddedFailed["part"], folder: string, error: unknown) =>
  new EmbeddedFailed({
    part,
    reason: `the data folder ${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
    advice: "Make it writable or set ONCEGATE_DATA_DIR to a folder that is"
  })

/** `mkdir -p`. Node's own (`recursive`) never ends where a parent exists and holds no folders, as `/proc` does. */
export const makeFolder = (folder: string): void => {
  if (existsSync(folder)) return
  makeFolder(path.dirname(folder))
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
}
