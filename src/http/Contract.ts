import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"

/** Beside the sources in a checkout, beside the compiled files in the package. */
const FOLDER = new URL("../../contracts/", import.meta.url)

const readJson = (name: string): unknown => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8"))

/** What consumers are told, as it is committed: the AsyncAPI document, and the JSON Schemas by the type of record. */
export const read = Effect.sync(() => ({
  asyncapi: readJson("asyncapi.json"),
  schemas: new Map(
    readdirSync(new URL("schemas", FOLDER)).map((file) => [
      path.basename(file, ".json"),
      readJson(`schemas/${file}`)
    ])
  ) as ReadonlyMap<string, unknown>
}))
