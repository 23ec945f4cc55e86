import { assert, describe, it } from "@effect/vitest"
import { canonicalValue } from "../../src/domain/Money.ts"

describe("canonicalValue", () => {
  it.each([
    ["10.50", "10.5"],
    ["010.500", "10.5"],
    ["10.00", "10"],
    ["10", "10"],
    ["0.10", "0.1"],
    ["-0.00", "0"],
    ["-5.0", "-5"],
    ["100", "100"]
  ])("%s is compared as %s", (value, canonical) => {
    assert.strictEqual(canonicalValue(value), canonical)
  })

  it("tells different amounts apart", () => {
    assert.notStrictEqual(canonicalValue("1.01"), canonicalValue("1.1"))
    assert.notStrictEqual(canonicalValue("10"), canonicalValue("1"))
  })
})
