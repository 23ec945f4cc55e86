import { randomBytes } from "node:crypto"
import { deflateRawSync, inflateRawSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { deflate, inflate } from "../../../src/infra/crypto/deflate.ts"

const text = (length: number) =>
  Buffer.from('{"amount":"10.00","id":"'.repeat(length / 20)).subarray(0, length)

describe("bodies are deflated by one engine", () => {
  it("each of which inflates to itself, whatever came before it", () => {
    // Around the room of the engine's output, and such as do not get smaller.
    const sizes = [0, 1, 1_500, 4_096, 65_500, 65_535, 65_536, 65_537, 1_000_000]
    const bodies = [
      ...sizes.map(text),
      ...sizes.map((size) => randomBytes(size)),
      ...sizes.map(text).reverse()
    ]
    for (const body of bodies) {
      assert.isTrue(inflateRawSync(deflate(body)).equals(body), `${body.length} bytes`)
      assert.isTrue(inflate(deflate(body)).equals(body), `${body.length} bytes`)
    }
  })

  it("the same whether or not others went before", () => {
    const first = Buffer.from(deflate(text(1_500)))
    deflate(randomBytes(60_000))
    assert.isTrue(deflate(text(1_500)).equals(first))
    assert.isBelow(first.length, 100)
  })

  it("into one output, on both runtimes: the engine is what we know", () => {
    const [first, second] = [deflate(text(1_500)), deflate(text(4_096))]
    assert.strictEqual(first.buffer, second.buffer)
    assert.deepStrictEqual([first.byteOffset, second.byteOffset], [0, 0])
    const [third, fourth] = [text(1_500), text(4_096)].map((body) => inflate(deflateRawSync(body)))
    assert.strictEqual(third!.buffer, fourth!.buffer)
  })

  it("and what was never deflated is refused, and spoils nothing that comes after it", () => {
    for (const _ of [0, 1]) {
      assert.isTrue(inflate(deflate(text(1_500))).equals(text(1_500)))
      assert.throws(() => inflate(Buffer.from("ffffffffffff", "hex")), /invalid block type/)
    }
    assert.isTrue(inflate(deflate(text(4_096))).equals(text(4_096)))
  })

  it("takes bytes that lie within others", () => {
    const whole = randomBytes(3_000)
    const part = new Uint8Array(whole.buffer, whole.byteOffset + 500, 1_000)
    assert.deepStrictEqual(new Uint8Array(inflateRawSync(deflate(part))), part)
  })
})
