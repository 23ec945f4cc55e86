import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { type Json, JsonNumber, parseObject } from "../../../src/infra/providers/StrictJson.ts"

const bytes = (text: string) => Buffer.from(text, "utf8")
const refusal = (input: string | Uint8Array) =>
  Result.match(parseObject(typeof input === "string" ? bytes(input) : input), {
    onSuccess: () => "accepted",
    onFailure: (code) => code
  })

/** The value as JSON.parse would give it. */
const plain = (value: Json): unknown =>
  value instanceof JsonNumber
    ? Number(value.source)
    : value instanceof Map
      ? Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
      : Array.isArray(value)
        ? value.map(plain)
        : value

const nasty: ReadonlyArray<readonly [name: string, input: string | Uint8Array, expected: string]> = [
  ["61 empty", "", "not_json"],
  ["62 null", "null", "not_an_object"],
  ["63 zero", "0", "not_an_object"],
  ["64 a string", '"x"', "not_an_object"],
  ["65 an array", "[]", "not_an_object"],
  ["66 an empty object", "{}", "accepted"],
  ["67 a trailing comma", '{"a":1,}', "not_json"],
  ["67 a trailing comma in an array", '{"a":[1,]}', "not_json"],
  ["68 two documents", "{}{}", "not_json"],
  ["69 NaN", '{"a":NaN}', "not_json"],
  ["69 Infinity", '{"a":-Infinity}', "not_json"],
  ["70 a leading byte order mark", Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), "not_json"],
  ["71 UTF-16", Buffer.from("{}", "utf16le"), "not_json"],
  [
    "72 invalid UTF-8 in the id",
    Buffer.concat([bytes('{"id":"'), Buffer.from([0xff]), bytes('"}')]),
    "not_utf8"
  ],
  [
    "72 a raw surrogate in UTF-8",
    Buffer.concat([bytes('{"id":"'), Buffer.from([0xed, 0xa0, 0x80]), bytes('"}')]),
    "not_utf8"
  ],
  ["73 one key twice", '{"id":"a","id":"b"}', "duplicate_key"],
  ["74 one key twice, once escaped", '{"id":"a","\\u0069d":"b"}', "duplicate_key"],
  ["75 __proto__", '{"__proto__":{"x":1}}', "forbidden_key"],
  ["75 __proto__ in escapes", '{"a":{"\\u005f_proto__":1}}', "forbidden_key"],
  ["76 constructor", '{"constructor":{"prototype":{}}}', "forbidden_key"],
  ["77 a lone high surrogate", '{"a":"\\ud800"}', "lone_surrogate"],
  ["77 a lone low surrogate", '{"a":"\\udc00x"}', "lone_surrogate"],
  ["77 a pair of surrogates", '{"a":"\\ud83d\\ude00"}', "accepted"],
  ["78 arrays 1,000,000 deep", `{"a":${"[".repeat(1_000_000)}`, "too_deep"],
  ["78 objects 1,000,000 deep", '{"a":'.repeat(1_000_000), "too_deep"],
  [
    "79 300,000 keys",
    `{${Array.from({ length: 300_000 }, (_, n) => `"k${n}":0`).join(",")}}`,
    "too_many_keys"
  ],
  ["80 a number literal of 1 MB", `{"a":${"9".repeat(1_000_000)}}`, "accepted"],
  ["81 a leading zero", '{"a":01}', "not_json"],
  ["81 a plus sign", '{"a":+1}', "not_json"],
  ["81 a bare point", '{"a":1.}', "not_json"],
  ["81 hexadecimal", '{"a":0x10}', "not_json"],
  ["87 a raw NUL", '{"a":"\u0000"}', "not_json"],
  ["94 a raw newline in a string", '{"a":"x\ny"}', "not_json"],
  ["an unknown escape", '{"a":"\\x41"}', "not_json"],
  ["a cut escape", '{"a":"\\u00', "not_json"],
  ["a cut string", '{"a":"', "not_json"],
  ["a comment", '{"a":1/**/}', "not_json"],
  ["a key without quotes", "{a:1}", "not_json"],
  ["a no-break space", "\u00a0{}", "not_json"]
]

describe("StrictJson", () => {
  for (const [name, input, expected] of nasty) {
    it(`${name}: ${expected}`, () => assert.strictEqual(refusal(input), expected))
  }

  it("82 83: numbers keep the text they were written in", () => {
    // given
    const text = '{"a":1e400,"b":-0,"c":1.0,"d":0.1000000000000000055511151231257827,"e":5000.0}'
    // when
    const parsed = Result.getOrThrow(parseObject(bytes(text)))
    // then
    const sources = [...parsed.values()].map((value) => (value instanceof JsonNumber ? value.source : "?"))
    assert.deepStrictEqual(sources, ["1e400", "-0", "1.0", "0.1000000000000000055511151231257827", "5000.0"])
  })

  it("89 91: names are neither normalised nor folded", () => {
    const parsed = Result.getOrThrow(parseObject(bytes('{"caf\u00e9":1,"cafe\u0301":2,"ID":3,"id":4}')))
    assert.strictEqual(parsed.size, 4)
  })

  it("97: a refusal never holds a piece of the body", () => {
    for (const text of [
      "SENTINEL",
      '{"SENTINEL":SENTINEL}',
      '{"a":"SENTINEL\\q"}',
      '{"S":1,"S":"SENTINEL"}'
    ]) {
      assert.notInclude(refusal(text), "SENTINEL")
    }
  })

  it("gives up at 33 levels and at 2,001 keys, and not before", () => {
    const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`
    const wide = (keys: number) => `{${Array.from({ length: keys }, (_, n) => `"k${n}":0`).join(",")}}`
    assert.deepStrictEqual([nested(32), nested(33), wide(2_000), wide(2_001)].map(refusal), [
      "accepted",
      "too_deep",
      "accepted",
      "too_many_keys"
    ])
  })

  const Item = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null])
  const Body = Schema.Struct({
    text: Schema.String,
    list: Schema.Array(Item),
    inner: Schema.Struct({ value: Item })
  })
  it.prop("reads what JSON.stringify writes, as JSON.parse does", [Body], ([body]) => {
    const text = JSON.stringify(body)
    const parsed = parseObject(bytes(text))
    // Texts with half a character are refused here and repaired or kept elsewhere.
    if (/\\ud[89a-f]/iu.test(text)) return
    assert.deepStrictEqual(plain(Result.getOrThrow(parsed)), JSON.parse(text))
  })

  it.prop("never throws, whatever the bytes", [Schema.Array(Schema.Int)], ([numbers]) => {
    parseObject(Uint8Array.from(numbers))
  })

  it.prop("accepts no text that JSON.parse refuses", [Schema.String], ([text]) => {
    for (const candidate of [text, `{${text}}`, `{"a":${text}}`]) {
      if (Result.isSuccess(parseObject(bytes(candidate)))) JSON.parse(candidate)
    }
  })
})
