import { type Json, JsonNumber, type JsonObject } from "./StrictJson.ts"

/** What stands at a path of object keys, or undefined where the path leaves the objects. */
export const at = (value: Json | undefined, ...path: ReadonlyArray<string>): Json | undefined =>
  path.reduce<Json | undefined>((here, key) => (here instanceof Map ? here.get(key) : undefined), value)

export const objectAt = (value: Json | undefined, ...path: ReadonlyArray<string>): JsonObject | undefined => {
  const found = at(value, ...path)
  return found instanceof Map ? found : undefined
}

export const listAt = (value: Json | undefined, ...path: ReadonlyArray<string>): ReadonlyArray<Json> => {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

export const textAt = (value: Json | undefined, ...path: ReadonlyArray<string>): string | undefined => {
  const found = at(value, ...path)
  return typeof found === "string" ? found : undefined
}

/** Printable ASCII without a colon, which parts the pieces of an effect key: `A:completed` must not pass for an id. */
const IDENTIFIER = /^[!-9;-~]{1,200}$/u

/** An identifier of the provider, fit to be part of a key. Numbers, arrays and the like are none. */
export const idAt = (value: Json | undefined, ...path: ReadonlyArray<string>): string | undefined => {
  const text = textAt(value, ...path)
  return text !== undefined && IDENTIFIER.test(text) ? text : undefined
}

const WORD = /^[!-~]{1,100}$/u

/** A provider's own word (an event type, a status), or null: nothing of that kind has spaces or control characters. */
export const wordAt = (value: Json | undefined, ...path: ReadonlyArray<string>): string | null => {
  const text = textAt(value, ...path)
  return text !== undefined && WORD.test(text) ? text : null
}

/** A decimal as it was written, whether in quotes (PayPal) or as a number (Toss). */
export const decimalAt = (value: Json | undefined, ...path: ReadonlyArray<string>): string | undefined => {
  const found = at(value, ...path)
  return found instanceof JsonNumber ? found.source : typeof found === "string" ? found : undefined
}
