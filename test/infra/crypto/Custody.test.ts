import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Custody from "../../../src/infra/crypto/Custody.ts"

const custody = Custody.make([{ id: "k1", key: Redacted.make(new Uint8Array(32).fill(7)) }])
const body = Buffer.from(
  JSON.stringify({ id: "1", links: Array.from({ length: 40 }, () => "https://a.example/b") })
)

describe("custody", () => {
  it.effect("gives back what it was given, whatever it is", () =>
    Effect.gen(function* () {
      for (const given of [body, Buffer.alloc(0), Buffer.alloc(262_144, "x"), Buffer.from([0xff, 0, 1])]) {
        const opened = yield* custody.open("paypal", "ev_1", custody.seal("paypal", "ev_1", given))
        assert.isTrue(Buffer.from(opened).equals(given))
      }
    })
  )

  it.effect("what was opened stays what it was, whatever is opened after it", () =>
    Effect.gen(function* () {
      const bodies = [body, Buffer.from(body.toString().replaceAll("a.example", "b.example"))]
      const sealed = bodies.map((one) => custody.seal("paypal", "ev_1", one))
      const opened = yield* Effect.forEach(sealed, (one) => custody.open("paypal", "ev_1", one))
      assert.deepStrictEqual(opened.map(String), bodies.map(String))
    })
  )

  it("keeps less than it was given where a body repeats itself, and nothing of it in the clear", () => {
    const { bytes } = custody.seal("paypal", "ev_1", body)
    assert.isBelow(bytes.length, body.length / 2)
    assert.isFalse(bytes.includes("links"))
  })

  it.effect("opens what was sealed before bodies were deflated", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from(
        "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBX174CNwTuQ/fNbdcDCOdateYc0LrRJ1QEfw",
        "base64"
      )
      const opened = yield* custody.open("paypal", "ev_1", { keyId: "k1", bytes })
      assert.strictEqual(Buffer.from(opened).toString(), '{"id":"1"}')
    })
  )

  it.effect("opens nothing in another row, nothing that was changed, and nothing without its key", () =>
    Effect.gen(function* () {
      const sealed = custody.seal("paypal", "ev_1", body)
      assert.strictEqual((yield* Effect.flip(custody.open("paypal", "ev_2", sealed)))._tag, "CustodyBroken")
      for (const at of [0, 20, 40, sealed.bytes.length - 1]) {
        const bytes = Buffer.from(sealed.bytes)
        bytes[at]! ^= 1
        assert.strictEqual(
          (yield* Effect.flip(custody.open("paypal", "ev_1", { ...sealed, bytes })))._tag,
          "CustodyBroken"
        )
      }
      const missing = yield* Effect.flip(custody.open("paypal", "ev_1", { ...sealed, keyId: "k2" }))
      assert.strictEqual(missing._tag, "MasterKeyMissing")
    })
  )
})
