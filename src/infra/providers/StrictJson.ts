import { Result } from "effect"

/** A number as it was written: amounts are never a float, and `1e400` stays what it says. */
export class JsonNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}
/** Objects are maps, so no key of a body can ever be mistaken for a property of ours. */
export type JsonObject = ReadonlyMap<string, Json>
export type Json = null | boolean | string | JsonNumber | ReadonlyArray<Json> | JsonObject

/** Why a body is refused; a code, because the text of a parser's own error quotes the body. */
export type JsonRefusal =
  | "not_utf8"
  | "not_json"
  | "not_an_object"
  | "too_deep"
  | "too_many_keys"
  | "duplicate_key"
  | "forbidden_key"
  | "lone_surrogate"

export interface JsonLimits {
  readonly depth: number
  readonly keys: number
}

/** Well above any webhook of either provider; the deepest one seen has 8 levels. */
export const eventLimits: JsonLimits = { depth: 32, keys: 2_000 }

const LONE_SURROGATE = /\p{Surrogate}/u
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const FOUR_HEX = /[0-9a-fA-F]{4}/y
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t"
}

/** Thrown inside this file only, where it ends the scan. */
class Refused {
  readonly code: JsonRefusal
  constructor(code: JsonRefusal) {
    this.code = code
  }
}
const refuse = (code: JsonRefusal): never => {
  throw new Refused(code)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * One pass over the text. JSON.parse would be faster, but it keeps the last of two equal keys without a word, and
 * another reader of the same body (the provider's own, a person's) may well keep the first.
 */
class Scanner {
  private readonly text: string
  private readonly limits: JsonLimits
  private at = 0
  private keys = 0

  constructor(text: string, limits: JsonLimits) {
    this.text = text
    this.limits = limits
  }

  document(): JsonObject {
    this.space()
    const root = this.value(0)
    this.space()
    if (this.at < this.text.length) refuse("not_json")
    return root instanceof Map ? root : refuse("not_an_object")
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }

  private expect(character: string): void {
    if (this.text[this.at] !== character) refuse("not_json")
    this.at++
  }

  private value(depth: number): Json {
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth + 1)
      case "[":
        return this.array(depth + 1)
      case '"':
        return this.string()
      case "t":
        return this.word("true", true)
      case "f":
        return this.word("false", false)
      case "n":
        return this.word("null", null)
      default:
        return this.number()
    }
  }

  private word<A extends Json>(word: string, value: A): A {
    if (!this.text.startsWith(word, this.at)) refuse("not_json")
    this.at += word.length
    return value
  }

  private number(): JsonNumber {
    NUMBER.lastIndex = this.at
    const source = NUMBER.exec(this.text)?.[0] ?? refuse("not_json")
    this.at += source.length
    return new JsonNumber(source)
  }

  private object(depth: number): JsonObject {
    if (depth > this.limits.depth) refuse("too_deep")
    const fields = new Map<string, Json>()
    this.at++
    this.space()
    if (this.text[this.at] === "}") {
      this.at++
      return fields
    }
    for (;;) {
      if (++this.keys > this.limits.keys) refuse("too_many_keys")
      const key = this.text[this.at] === '"' ? this.string() : refuse("not_json")
      if (key === "__proto__" || key === "constructor") refuse("forbidden_key")
      if (fields.has(key)) refuse("duplicate_key")
      this.space()
      this.expect(":")
      this.space()
      fields.set(key, this.value(depth))
      this.space()
      if (this.text[this.at] !== ",") break
      this.at++
      this.space()
    }
    this.expect("}")
    return fields
  }

  private array(depth: number): ReadonlyArray<Json> {
    if (depth > this.limits.depth) refuse("too_deep")
    const items: Array<Json> = []
    this.at++
    this.space()
    if (this.text[this.at] === "]") {
      this.at++
      return items
    }
    for (;;) {
      items.push(this.value(depth))
      this.space()
      if (this.text[this.at] !== ",") break
      this.at++
      this.space()
    }
    this.expect("]")
    return items
  }

  private string(): string {
    let start = ++this.at
    let text = ""
    let escaped = false
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code === QUOTE) break
      if (code === BACKSLASH) {
        escaped = true
        text += this.text.slice(start, this.at++)
        text += this.escape()
        start = this.at
      } else {
        // Control characters must be escaped; past the end the code is NaN and neither comparison holds.
        if (!(code >= 0x20)) refuse("not_json")
        this.at++
      }
    }
    text += this.text.slice(start, this.at++)
    // Decoding has already refused raw surrogates: only an escape can bring one in.
    if (escaped && LONE_SURROGATE.test(text)) refuse("lone_surrogate")
    return text
  }

  private escape(): string {
    const letter = this.text[this.at++] ?? ""
    if (letter !== "u") return ESCAPES[letter] ?? refuse("not_json")
    FOUR_HEX.lastIndex = this.at
    const hex = FOUR_HEX.exec(this.text)?.[0] ?? refuse("not_json")
    this.at += 4
    return String.fromCharCode(Number.parseInt(hex, 16))
  }
}

// A byte order mark is kept, so that the scanner refuses it: two byte strings never become one text.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decode = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes)
  } catch {
    return refuse("not_utf8")
  }
}

/** The JSON object these bytes are, or the code of the first thing wrong with them. Never throws, never quotes the input. */
export const parseObject = (
  bytes: Uint8Array,
  limits: JsonLimits = eventLimits
): Result.Result<JsonObject, JsonRefusal> => {
  try {
    return Result.succeed(new Scanner(decode(bytes), limits).document())
  } catch (error) {
    return Result.fail(error instanceof Refused ? error.code : "not_json")
  }
}
