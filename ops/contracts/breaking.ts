import type { Contract } from "./Contract.ts"
import type { JsonSchema } from "./jsonSchemas.ts"

// FULL_TRANSITIVE, in its strictest reading: what a released version says of a field stays as it is, for readers of old
// records and of new ones; only optional fields, headers and types are added. So nothing has to be weighed: every
// constraint is the same as before, or the change is refused. Texts are free.

const TEXTS = new Set(["$schema", "title", "description", "examples", "$comment", "deprecated"])
/** Constraints that are compared as they stand. A bound that goes up is narrower where it is a lower one. */
const PLAIN: Readonly<Record<string, "lower" | "upper" | "same">> = {
  $id: "same",
  type: "same",
  pattern: "same",
  minLength: "lower",
  minimum: "lower",
  minItems: "lower",
  maxLength: "upper",
  maximum: "upper",
  maxItems: "upper"
}
const NESTED = new Set(["enum", "properties", "required", "additionalProperties", "items", "anyOf"])

type Fields = Readonly<Record<string, JsonSchema>>
const fieldsOf = ({ properties = {} }: JsonSchema) => properties as Fields
const listOf = (value: unknown) => (value ?? []) as ReadonlyArray<string>
const show = (value: unknown) => (value === undefined ? "none" : JSON.stringify(value))

/** `anyOf: [X, null]` is X or null; no other choice is understood. */
const nullable = (schema: JsonSchema) => {
  if (schema.anyOf === undefined) return { schema, isNullable: false }
  const [inner = {}, none] = schema.anyOf as ReadonlyArray<JsonSchema>
  return { schema: inner, isNullable: none?.type === "null" }
}

/** Keywords whose changes this comparison could not judge. */
const unknown = (where: string, schema: JsonSchema): ReadonlyArray<string> => {
  const { anyOf, additionalProperties, items } = schema
  const inside = anyOf === undefined ? undefined : nullable(schema)
  const isChoice = inside !== undefined && (!inside.isNullable || (anyOf as Array<unknown>).length !== 2)
  const strange = Object.keys(schema).filter(
    (word) => !TEXTS.has(word) && !(word in PLAIN) && !NESTED.has(word)
  )
  if (isChoice) strange.push("anyOf")
  if (additionalProperties !== undefined && additionalProperties !== true)
    strange.push("additionalProperties")
  if (Array.isArray(schema.type)) strange.push("type")
  return [
    ...strange.map(
      (word) =>
        `${where} uses \`${word}\` in a way that the comparison does not understand: say it otherwise, or teach ops/contracts/breaking.ts what a change of it breaks`
    ),
    ...Object.entries(fieldsOf(schema)).flatMap(([name, field]) => unknown(`${where}.${name}`, field)),
    ...(items === undefined ? [] : unknown(`${where}[]`, items as JsonSchema)),
    ...(inside === undefined || isChoice ? [] : unknown(where, inside.schema))
  ]
}

const comparePlain = (where: string, word: string, before: unknown, now: unknown): ReadonlyArray<string> => {
  if (show(before) === show(now)) return []
  const change = `${where}: \`${word}\` is ${show(now)} and was ${show(before)}`
  if (word === "type") return [`${where} was retyped: ${show(before)} to ${show(now)}`]
  const side = PLAIN[word]
  if (side === "same") return [`${change}, so one side's records are not valid for the other`]
  const tighter =
    before === undefined || (now !== undefined && (side === "lower") === Number(now) > Number(before))
  return [
    tighter
      ? `${change}: narrowed, so records that exist are not valid any more`
      : `${change}: widened, so new records are not valid for readers of before`
  ]
}

const compareWords = (where: string, before: unknown, now: unknown): ReadonlyArray<string> => {
  if (before === undefined && now === undefined) return []
  if (before === undefined) return [`${where} was narrowed to a list of words: ${show(now)}`]
  if (now === undefined) return [`${where} was widened: it is no closed list any more`]
  const gone = listOf(before).filter((word) => !listOf(now).includes(word))
  const come = listOf(now).filter((word) => !listOf(before).includes(word))
  return [
    ...(gone.length > 0 ? [`${where} lost the words ${gone.join(", ")}, which records that exist hold`] : []),
    ...(come.length > 0
      ? [`${where} gained the words ${come.join(", ")}, which readers of before refuse`]
      : [])
  ]
}

const compareSchema = (where: string, before: JsonSchema, now: JsonSchema): ReadonlyArray<string> => {
  const was = nullable(before)
  const is = nullable(now)
  if (was.isNullable !== is.isNullable)
    return [
      `${where} ${is.isNullable ? "may be null now, which readers of before refuse" : "may not be null any more, and records that exist hold it"}`
    ]
  if (is.isNullable) return compareSchema(where, was.schema, is.schema)
  const required = { before: listOf(before.required), now: listOf(now.required) }
  const path = (name: string) => `${where}.${name}`
  return [
    ...Object.keys(PLAIN).flatMap((word) => comparePlain(where, word, before[word], now[word])),
    ...compareWords(where, before.enum, now.enum),
    ...Object.entries(fieldsOf(before)).flatMap(([name, field]) => {
      const present = fieldsOf(now)[name]
      if (present === undefined) return [`${path(name)} was removed`]
      const isNow = required.now.includes(name)
      if (isNow !== required.before.includes(name))
        return [
          isNow
            ? `${path(name)} was made required, and records that exist may lack it`
            : `${path(name)} was made optional, and readers of before rely on it`
        ]
      return compareSchema(path(name), field, present)
    }),
    ...Object.keys(fieldsOf(now))
      .filter((name) => fieldsOf(before)[name] === undefined && required.now.includes(name))
      .map((name) => `${path(name)} is new and required: a new field must be optional`),
    ...(before.items === undefined && now.items === undefined
      ? []
      : compareSchema(`${where}[]`, (before.items ?? {}) as JsonSchema, (now.items ?? {}) as JsonSchema))
  ]
}

const compareTopics = (before: Contract, now: Contract): ReadonlyArray<string> =>
  Object.entries(before.asyncapi.channels).flatMap(([id, was]) => {
    const is = now.asyncapi.channels[id]
    if (is === undefined) return [`the topic ${was.address} was removed`]
    const [from, to] = [was.bindings.kafka, is.bindings.kafka]
    const keep = { from: from.topicConfiguration["retention.ms"], to: to.topicConfiguration["retention.ms"] }
    const where = `the topic ${was.address}`
    return [
      ...(is.address === was.address ? [] : [`${where} was renamed to ${is.address}`]),
      ...(to.partitions === from.partitions
        ? []
        : [
            `${where} has ${to.partitions} partitions and had ${from.partitions}: keys move, and their order is lost`
          ]),
      ...(show(to.topicConfiguration["cleanup.policy"]) === show(from.topicConfiguration["cleanup.policy"])
        ? []
        : [`${where} has another cleanup.policy`]),
      ...(keep.to === -1 || (keep.from !== -1 && keep.to >= keep.from)
        ? []
        : [`${where} keeps its records for a shorter time`]),
      ...Object.keys(was.messages)
        .filter((type) => is.messages[type] === undefined)
        .map((type) => `${type} was removed from ${where}`),
      ...Object.keys(was.messages).flatMap((type) => {
        const [old, present] = [before, now].map(({ asyncapi }) => asyncapi.components.messages[type])
        return old === undefined || present === undefined
          ? []
          : compareSchema(`the key of ${type}`, old.bindings.kafka.key, present.bindings.kafka.key)
      })
    ]
  })

/** Everything by which `now` breaks what was released; none where old and new records suit old and new readers. */
export const breaking = (released: Contract, now: Contract): ReadonlyArray<string> => [
  ...compareTopics(released, now),
  ...[...released.schemas].flatMap(([name, before]) => {
    const present = now.schemas.get(name)
    return present === undefined ? [`${name} was removed`] : compareSchema(name, before, present)
  })
]

/** Constructs of a contract that no later version could be compared with. */
export const incomparable = ({ schemas }: Contract): ReadonlyArray<string> =>
  [...schemas].flatMap(([name, schema]) => unknown(name, schema))
