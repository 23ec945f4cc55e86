import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { explain } from "../../../src/cli/explain.ts"
import { makeTestCa } from "../../support/TestCa.ts"
import { LIVE_NAME, paypalDelivery, validity, WEBHOOK_ID } from "./deliveries.ts"
import { unsignedDelivery } from "./tossEvents.ts"

const ca = makeTestCa()
const certificate = ca.issue({ name: LIVE_NAME, ...validity })
const BODY = JSON.stringify({
  id: "WH-1",
  event_type: "PAYMENT.CAPTURE.COMPLETED",
  create_time: "2026-01-15T11:59:57Z",
  resource: { id: "C1", amount: { currency_code: "USD", value: "10.00" } }
})
const genuine = paypalDelivery({
  certificate,
  certUrl: "https://api.paypal.com/v1/notifications/certs/CERT-1",
  body: BODY
})

/** A folder with the files of a delivery, gone after the test. */
const given = Effect.fnUntraced(function* (headers: object, body: Uint8Array | string) {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "oncegate-explain-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true }))
  )
  const files = { h: JSON.stringify(headers), b: body, c: certificate.pem, ca: ca.pem }
  for (const [name, text] of Object.entries(files)) {
    yield* Effect.promise(() => writeFile(join(folder, name), text))
  }
  return folder
})

/** What the command prints and how it ends. */
const run = (folder: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const files = ["--headers", join(folder, "h"), "--body", join(folder, "b")]
    const exit = yield* Effect.exit(Command.runWith(explain, { version: "0" })([...files, ...args]))
    const lines = yield* TestConsole.logLines
    return { ok: exit._tag === "Success", text: lines.join("\n") }
  }).pipe(
    Effect.provide(NodeServices.layer),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )

const paypal = (folder: string) => [
  ...["--endpoint", "paypal", "--cert", join(folder, "c"), "--webhook-id", WEBHOOK_ID],
  ...["--at", "2026-01-15T12:00:00Z"]
]

describe("oncegate explain", () => {
  it.effect("a genuine delivery: verified, with its keys and billing events", () =>
    Effect.gen(function* () {
      const upper = Object.fromEntries(
        Object.entries(genuine.headers).map(([name, value]) => [name.toUpperCase(), value])
      )
      const folder = yield* given(upper, genuine.body)
      const { ok, text } = yield* run(folder, [...paypal(folder), "--json"], {
        PAYPAL_CA_FILE: join(folder, "ca")
      })
      const told = JSON.parse(text)
      assert.isTrue(ok)
      assert.strictEqual(told.verdict, "verified")
      assert.strictEqual(told.dedup_key, "ev_WH-1")
      assert.deepStrictEqual(told.effect_keys, ["capture:C1:completed"])
      assert.deepStrictEqual(told.billing_events[0].fact.amount, { value: "10.00", currency: "USD" })
    })
  )

  it.effect("for a person: one line a thing", () =>
    Effect.gen(function* () {
      const folder = yield* given(genuine.headers, genuine.body)
      const { text } = yield* run(folder, paypal(folder), { PAYPAL_CA_FILE: join(folder, "ca") })
      assert.match(text, /^VERIFIED/u)
      assert.include(text, "capture:C1:completed")
      assert.include(text, "10.00 USD")
    })
  )

  it.effect("an unknown issuer: nothing is known, and it fails", () =>
    Effect.gen(function* () {
      const folder = yield* given(genuine.headers, genuine.body)
      const { ok, text } = yield* run(folder, paypal(folder))
      assert.isFalse(ok)
      assert.match(text, /^UNKNOWN .*authority/u)
      assert.include(text, "503  (certificate_issuer_unknown)")
    })
  )

  it.effect("another body: rejected, and it fails", () =>
    Effect.gen(function* () {
      const folder = yield* given(genuine.headers, `${BODY} `)
      const { ok, text } = yield* run(folder, [...paypal(folder), "--json"], {
        PAYPAL_CA_FILE: join(folder, "ca")
      })
      assert.isFalse(ok)
      assert.deepInclude(JSON.parse(text), { verdict: "rejected", answer: 401, reason: "signature_mismatch" })
    })
  )

  it.effect("no webhook id: it says where to give one", () =>
    Effect.gen(function* () {
      const folder = yield* given(genuine.headers, genuine.body)
      const { ok } = yield* run(folder, ["--endpoint", "paypal"])
      assert.isFalse(ok)
    })
  )

  it.effect("Toss without its key: what would be asked", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({
        eventType: "PAYMENT_STATUS_CHANGED",
        data: { paymentKey: "pk/1", status: "DONE" }
      })
      const folder = yield* given(unsignedDelivery(body).headers, body)
      const { ok, text } = yield* run(folder, ["--endpoint", "tosspayments"])
      assert.isTrue(ok)
      assert.match(text, /^UNSIGNED/u)
      assert.include(text, "GET https://api.tosspayments.com/v1/payments/pk%2F1")
      assert.include(text, "TOSS_SECRET_KEY")
    })
  )
})
