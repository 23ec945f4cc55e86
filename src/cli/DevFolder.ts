import { randomBytes } from "node:crypto"
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect, Schema } from "effect"
import { makeFolder } from "../infra/embedded/OwnedFolder.ts"
import { StartRefused } from "./Service.ts"

/** What `npm start` made once and keeps: without the master key the bodies of earlier starts could not be opened. */
const Kept = Schema.fromJsonString(Schema.Struct({ masterKeys: Schema.String, adminToken: Schema.String }))

/** Where a running `npm start` can be found: for `simulate`, `bomb` and the runbooks. */
export interface DevFile {
  readonly ingress: string
  readonly simulator: string
  readonly database_url: string
  readonly kafka_brokers: ReadonlyArray<string>
  readonly admin: string | null
  readonly admin_token: string
  /** Settings that `npm start` made up: simulator and keys. Never one that was given to it. */
  readonly environment: Readonly<Record<string, string>>
  /** Hex: under it `simulate` foretells the references of vault tokens. */
  readonly pseudonym_key: string
  readonly pid: number
}

const writePrivate = (file: string, text: string) => {
  writeFileSync(`${file}.new`, text, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** The data folder of `npm start`: its keys, made once, and the files that it leaves for others to read. */
export const open = (folder: string) =>
  Effect.try({
    try: () => {
      makeFolder(folder)
      const file = path.join(folder, "keys.json")
      if (!existsSync(file))
        writePrivate(
          file,
          JSON.stringify({
            masterKeys: `dev:${randomBytes(32).toString("base64")}`,
            adminToken: randomBytes(24).toString("base64url")
          })
        )
      const kept = Schema.decodeUnknownSync(Kept)(readFileSync(file, "utf8"))
      const log = path.join(folder, "oncegate.log")
      appendFileSync(log, "", { mode: 0o600 })
      return {
        ...kept,
        log: (text: string) => appendFileSync(log, text),
        publish: (dev: DevFile) => writePrivate(path.join(folder, "dev.json"), JSON.stringify(dev, null, 2))
      }
    },
    catch: (error) =>
      new StartRefused({
        message: `the data folder ${folder} cannot be used (${(error as NodeJS.ErrnoException).code ?? "damaged keys.json"}): make it writable, or set ONCEGATE_DATA_DIR`
      })
  })
