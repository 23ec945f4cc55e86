import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { Ajv2020 } from "ajv/dist/2020.js"

export const contracts = fileURLToPath(new URL("../../contracts", import.meta.url))

export const readJson = (...names: ReadonlyArray<string>) =>
  JSON.parse(readFileSync(path.join(contracts, ...names), "utf8"))

/** The committed schemas, by name. */
export const schemas: ReadonlyMap<string, { readonly $id: string; readonly [keyword: string]: unknown }> =
  new Map(
    readdirSync(path.join(contracts, "schemas")).map((file) => [
      path.basename(file, ".json"),
      readJson("schemas", file)
    ])
  )

/** The field's own validator of JSON Schema 2020-12, told of every committed schema; it knows them by their ids. */
export const ajv = new Ajv2020({ strict: true, allErrors: true })
for (const schema of schemas.values()) ajv.addSchema(schema)

export interface Seen {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly data: unknown
}

const { channels, components } = readJson("asyncapi.json")
const keys = new Map(
  Object.values(channels as Record<string, { messages: Record<string, unknown> }>).flatMap(({ messages }) =>
    Object.keys(messages).map((type) => [type, components.messages[type].bindings.kafka.key] as const)
  )
)

/** Everything in which a record is not what the committed contract says of its type. */
export const offences = ({ data, headers, key }: Seen): ReadonlyArray<string> => {
  const { ce_dataschema = "", ce_type = "" } = headers
  const check = (what: string, isValid: boolean) =>
    isValid ? [] : [`${ce_type}: ${what}: ${ajv.errorsText(ajv.errors)}`]
  const keySchema = keys.get(ce_type)
  return [
    ...check("headers", ajv.validate("urn:oncegate:schema:oncegate.headers.v1", headers)),
    ...(ajv.getSchema(ce_dataschema) === undefined
      ? [`${ce_type}: no schema has the id ${ce_dataschema}`]
      : check("data", ajv.validate(ce_dataschema, data))),
    ...(schemas.get(ce_type)?.$id === ce_dataschema
      ? []
      : [`${ce_type}: its ce_dataschema is another type's`]),
    ...(keySchema === undefined
      ? [`${ce_type}: no message of it`]
      : check("key", ajv.validate(keySchema, key)))
  ]
}
