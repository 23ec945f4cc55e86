import { assert, describe, it } from "@effect/vitest"
import { fromParts, ofConflict, ofRawBody } from "../../src/domain/DedupKey.ts"
import { RequestHash } from "../../src/domain/RequestHash.ts"

const hash = RequestHash.make("0123456789abcdef".repeat(4))

describe("the dedup key", () => {
  it("is made of the provider's identifiers, as they are", () => {
    assert.strictEqual(fromParts("ev", "WH-1"), "ev_WH-1")
    assert.strictEqual(fromParts("pkey", "pk", "DONE", "tx"), "pkey_pk:DONE:tx")
    assert.notStrictEqual(fromParts("ev", "a"), fromParts("ev", "A"))
  })

  it.each([[""], ["a b"], ["a\nb"], ["é"], ["x".repeat(201)], [7], [null], [undefined], [["a"]], [{}]])(
    "is none where an identifier is %j",
    (part) => {
      assert.isUndefined(fromParts("ev", part))
      assert.isUndefined(fromParts("pkey", "ok", part))
    }
  )

  it("of a conflict leaves room for its suffix", () => {
    const key = fromParts("dep", "x".repeat(100), "y".repeat(97))!
    assert.isAtMost(ofConflict(key, hash).length, 255)
    assert.strictEqual(ofConflict(ofRawBody(hash), hash), `raw_${hash}~0123456789abcdef`)
  })
})
