import { readFileSync } from "node:fs"
import path from "node:path"
import { Console, Effect, Layer } from "effect"
import { Command } from "effect/cli"
import { readMasterKeys } from "../infra/config/Settings.ts"
import * as Custody from "../infra/crypto/Custody.ts"
import type { DatabaseError } from "../infra/postgres/DatabaseError.ts"
import * as Rotation from "../infra/postgres/Rotation.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag } from "./DevService.ts"
import { databaseUrlOf } from "./EventsOf.ts"
import { json } from "./eventFlags.ts"
import { database, unreachable } from "./Service.ts"
import { table } from "./Table.ts"

/** What `npm start` made; whatever is wrong with the file, its text is never quoted. */
const kept = (dataDir: string) => {
  try {
    return (JSON.parse(readFileSync(path.join(dataDir, "keys.json"), "utf8")) as { masterKeys: string })
      .masterKeys
  } catch {
    return undefined
  }
}

/** The master keys: of the environment, else those of `npm start` where its database is looked at. */
const masterKeysOf = Effect.fnUntraced(function* (dataDir: string, from: "environment" | "dev") {
  const keys = yield* Effect.try({
    try: () =>
      readMasterKeys(process.env) ??
      (from === "dev" ? readMasterKeys({ MASTER_KEYS: kept(dataDir) }) : undefined),
    catch: (error) => new CommandFailed({ message: (error as Error).message })
  })
  return (
    keys ??
    (yield* new CommandFailed({ message: "MASTER_KEYS is required: the first key seals, all of them open" }))
  )
})

const reached = (error: DatabaseError) => Effect.fail(unreachable(error))

const status = Command.make(
  "status",
  { json, dataDir: dataDirFlag },
  Effect.fnUntraced(function* ({ dataDir, json }) {
    const found = yield* databaseUrlOf(dataDir)
    const keys = yield* masterKeysOf(dataDir, found.from)
    const counted = yield* Rotation.status.pipe(
      Effect.provide(database({ databaseUrl: found.url })),
      Effect.catchTag("DatabaseError", reached)
    )
    const ids = [...new Set([...keys.map(({ id }) => id), ...counted.map(({ key_id }) => key_id)])]
    const rows = ids.map((id) => ({
      key_id: id,
      bodies: counted.find(({ key_id }) => key_id === id)?.bodies ?? 0,
      role: keys[0].id === id ? "seals" : keys.some((key) => key.id === id) ? "opens" : "missing"
    }))
    yield* Console.log(
      json
        ? JSON.stringify(rows)
        : table([["key", "bodies", ""], ...rows.map(({ bodies, key_id, role }) => [key_id, bodies, role])])
    )
  })
).pipe(
  Command.withDescription("How many bodies are under which master key, by the key's id."),
  Command.withExamples([
    { command: "oncegate keys status", description: "a key without bodies can be taken out of MASTER_KEYS" }
  ])
)

const rotate = Command.make(
  "rotate",
  { json, dataDir: dataDirFlag },
  Effect.fnUntraced(function* ({ dataDir, json }) {
    const found = yield* databaseUrlOf(dataDir)
    const keys = yield* masterKeysOf(dataDir, found.from)
    const terminal = process.stderr.isTTY === true
    const summary = yield* Rotation.rotate(keys[0].id, ({ rotated, seen }) => {
      if (terminal) process.stderr.write(`\r${seen} bodies seen, ${rotated} rotated`)
    }).pipe(
      Effect.ensuring(Effect.sync(() => terminal && process.stderr.write("\r\u001b[K"))),
      Effect.provide(Layer.merge(database({ databaseUrl: found.url }), Custody.layer(keys))),
      Effect.catchTag("DatabaseError", reached)
    )
    const missing = Object.entries(summary.missing)
    yield* Console.log(
      json
        ? JSON.stringify({ key_id: keys[0].id, ...summary })
        : [
            `${summary.seen} bodies seen, ${summary.rotated} sealed anew under ${keys[0].id}`,
            ...(summary.gone > 0 ? [`${summary.gone} purged or replaced meanwhile`] : []),
            ...missing.map(([id, count]) => `${count} wait: their master key ${id} is not in MASTER_KEYS`),
            ...(summary.broken > 0 ? [`${summary.broken} do not open under their own key`] : [])
          ].join("\n")
    )
    if (missing.length > 0 || summary.broken > 0)
      return yield* new CommandFailed({ message: "not every body could be sealed anew" })
  })
).pipe(
  Command.withDescription(
    "Seals every stored body anew under the first of MASTER_KEYS, in small batches while the gate works. Can be broken " +
      "off and run again. Exit code 1 where a body could not be opened."
  ),
  Command.withExamples([
    {
      command: "MASTER_KEYS=new:..,old:.. oncegate keys rotate",
      description: "first restart every gate with both keys, then rotate, then drop the old one"
    }
  ])
)

/** `oncegate keys` */
export const keys = Command.make("keys").pipe(
  Command.withDescription("The master keys that bodies are stored under. Shows ids, never a key."),
  Command.withSubcommands([rotate, status])
)
