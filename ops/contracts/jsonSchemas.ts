import { Schema } from "effect"
import { billingEventTypes } from "../../src/domain/BillingEventTypes.ts"
import { outcomeTypes } from "../../src/domain/OutcomeTypes.ts"
import { dataschemaOf, RecordHeaders } from "../../src/domain/RecordHeaders.ts"

/** A JSON Schema, or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/** Name of the schema that the headers of every record follow. */
export const HEADERS = "oncegate.headers.v1"

/** The body of a schema, without a detour over `$defs`. */
export const bodyOf = (schema: Schema.Constraint): JsonSchema => {
  const document = Schema.toJsonSchemaDocument(schema)
  const [[name, body] = ["", {}], ...others] = Object.entries(document.definitions)
  if (document.schema.$ref !== `#/$defs/${name}` || others.length > 0)
    throw new Error("a schema of a record has one identifier, at its root")
  return body
}

const fileOf = (name: string, schema: Schema.Constraint): readonly [string, JsonSchema] => {
  const { description, examples, title = name, ...rest } = bodyOf(schema)
  return [
    name,
    {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: dataschemaOf(name),
      title,
      description,
      ...rest,
      ...(examples === undefined ? {} : { examples })
    }
  ]
}

/** A schema for each type of record, and one for their headers, by name. */
export const jsonSchemas = (): ReadonlyMap<string, JsonSchema> =>
  new Map([
    ...[...billingEventTypes, ...outcomeTypes].map(({ schema, type }) => fileOf(type, schema)),
    fileOf(HEADERS, RecordHeaders)
  ])
