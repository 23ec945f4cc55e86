import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { crc32 } from "../../../src/infra/providers/Crc32.ts"
import { epochMs, toUtc } from "../../../src/infra/providers/ProviderTime.ts"

describe("times of providers", () => {
  const rows: ReadonlyArray<readonly [text: string | undefined, utc: string | null]> = [
    ["2026-01-15T12:00:00Z", "2026-01-15T12:00:00.000Z"],
    ["2026-01-15T21:00:00+09:00", "2026-01-15T12:00:00.000Z"],
    ["2018-08-15T12:13:29-07:00", "2018-08-15T19:13:29.000Z"],
    ["2026-01-15T21:00:00.123456", "2026-01-15T12:00:00.123Z"],
    ["2026-01-15T21:00:00", "2026-01-15T12:00:00.000Z"],
    ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"],
    ["2026-02-29T12:00:00Z", null],
    ["2018-19-12T22:20:32.000Z", null],
    ["2026-01-15T25:00:00Z", null],
    ["0000-01-01T00:00:00+09:00", null],
    ["9999-12-31T23:00:00-09:00", null],
    ["2026-01-15", null],
    ["15 Jan 2026 12:00:00 GMT", null],
    ["", null],
    [undefined, null]
  ]
  for (const [text, utc] of rows) {
    it(`${text}: ${utc}`, () => assert.strictEqual(toUtc(text, "+09:00"), utc))
  }

  it("without an offset there is no time where none is assumed", () => {
    assert.isUndefined(epochMs("2026-01-15T12:00:00"))
  })

  it.prop("never throws", [Schema.String], ([text]) => {
    toUtc(text, "+09:00")
    toUtc(`2026-01-15T12:00:00${text}`)
  })
})

describe("CRC-32", () => {
  it("is the one of zlib", () => {
    assert.strictEqual(crc32(Buffer.from("123456789")), 0xcbf43926)
    assert.strictEqual(crc32(new Uint8Array()), 0)
    assert.strictEqual(crc32(Buffer.from("plumless")), crc32(Buffer.from("buckeroo")))
  })
})
