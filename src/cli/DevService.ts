import { createHmac } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Config, Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"

/** Folder of a service started by `npm start`. */
export const dataDirFlag = Flag.String("data-dir").pipe(
  Flag.withFallbackConfig(Config.String("ONCEGATE_DATA_DIR")),
  Flag.withDefault(".oncegate"),
  Flag.withMetavar("FOLDER"),
  Flag.withDescription("data folder of the service that `npm start` runs (ONCEGATE_DATA_DIR, else .oncegate)")
)

export const simulatorDir = (dataDir: string) => join(dataDir, "simulator")

const DevFile = Schema.fromJsonString(
  Schema.Struct({ ingress: Schema.String, pseudonym_key: Schema.optionalKey(Schema.String) })
)

const devFile = (dataDir: string) =>
  Effect.tryPromise(() => readFile(join(dataDir, "dev.json"), "utf8")).pipe(
    Effect.flatMap((text) => Schema.decodeUnknownEffect(DevFile)(text)),
    Effect.option
  )

/** Where the gate of `npm start` listens: as it wrote into its data folder, else at the default port. */
export const ingressOf = (dataDir: string) =>
  Effect.map(
    devFile(dataDir),
    Option.match({ onNone: () => "http://127.0.0.1:8080", onSome: ({ ingress }) => ingress })
  )

/** How that gate writes a customer's token, where it says so (hex): only then can expectations name such facts. */
export const pseudonymOf = (dataDir: string) =>
  Effect.map(devFile(dataDir), (file) => {
    const key = Option.isSome(file) ? file.value.pseudonym_key : undefined
    return key === undefined
      ? undefined
      : (token: string) => createHmac("sha256", Buffer.from(key, "hex")).update(token).digest("hex")
  })
