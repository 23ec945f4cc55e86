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
  Schema.Struct({
    ingress: Schema.String,
    pseudonym_key: Schema.optionalKey(Schema.String),
    database_url: Schema.optionalKey(Schema.String),
    kafka_brokers: Schema.optionalKey(Schema.Array(Schema.String)),
    environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
  })
)

/** What a running `npm start` left in its data folder for others to read; undefined where there is none. */
export const devFile = (dataDir: string) =>
  Effect.tryPromise(() => readFile(join(dataDir, "dev.json"), "utf8")).pipe(
    Effect.flatMap((text) => Schema.decodeUnknownEffect(DevFile)(text)),
    Effect.option,
    Effect.map(Option.getOrUndefined)
  )

/** Where the gate of `npm start` listens: as it wrote into its data folder, else at the default port. */
export const ingressOf = (dataDir: string) =>
  Effect.map(devFile(dataDir), (file) => file?.ingress ?? "http://127.0.0.1:8080")

/** How that gate writes a customer's token, where it says so (hex): only then can expectations name such facts. */
export const pseudonymOf = (dataDir: string) =>
  Effect.map(devFile(dataDir), (file) => {
    const key = file?.pseudonym_key
    return key === undefined
      ? undefined
      : (token: string) => createHmac("sha256", Buffer.from(key, "hex")).update(token).digest("hex")
  })
