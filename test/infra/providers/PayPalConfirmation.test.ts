import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as DedupKey from "../../../src/domain/DedupKey.ts"
import * as PayPal from "../../../src/infra/providers/PayPal.ts"
import { NOW, paypalEndpoint, paypalOptions } from "./deliveries.ts"
import { type Asked, makeLocalServer, type Reply } from "./localServer.ts"

const captured = (value: string, more: object = {}) =>
  JSON.stringify({
    id: "WH-1",
    event_type: "PAYMENT.CAPTURE.COMPLETED",
    resource: { id: "C1", amount: { currency_code: "USD", value } },
    ...more
  })

const GRANTED = JSON.stringify({ access_token: "A21AA-token", token_type: "Bearer", expires_in: 32_400 })

/** The adapter with `PAYPAL_CONFIRM=money`, and a server that plays PayPal's API. */
const given = Effect.fnUntraced(function* (
  record: (asked: Asked) => Reply | null,
  grant: () => Reply = () => ({ body: GRANTED })
) {
  yield* TestClock.setTime(NOW)
  const server = yield* makeLocalServer((asked) =>
    asked.path === "/v1/oauth2/token" ? grant() : record(asked)
  )
  const options = {
    confirm: "money" as const,
    apiOrigin: server.origin,
    clientId: "client",
    clientSecret: Redacted.make("secret")
  }
  const provider = yield* PayPal.make(paypalOptions(options))
  const interpret = (body: string) => {
    const dedupKey = DedupKey.fromParts("ev", "WH-1")!
    return Effect.result(
      provider.interpret({ endpoint: paypalEndpoint(), dedupKey, body: Buffer.from(body) })
    ).pipe(
      Effect.map((result) =>
        result._tag === "Success"
          ? result.success.facts.map(({ fact }) => `${fact.effect_key} ${fact.confirmed_by}`).join()
          : `${result.failure.kind} ${result.failure.code} ${result.failure.retryAfterMs ?? "-"}`
      )
    )
  }
  return { server, interpret }
})

describe("PayPal confirms money", () => {
  it.effect("an event that PayPal records the same way is confirmed twice", () =>
    Effect.gen(function* () {
      const { interpret, server } = yield* given(() => ({
        body: captured("10.00", { transmissions: [{ status: "PENDING" }] })
      }))
      assert.strictEqual(yield* interpret(captured("10.00")), "capture:C1:completed signature+requery")
      const [token, event] = server.asked
      assert.strictEqual(
        token?.headers.authorization,
        `Basic ${Buffer.from("client:secret").toString("base64")}`
      )
      assert.strictEqual(token?.body, "grant_type=client_credentials")
      assert.strictEqual(event?.path, "/v1/notifications/webhooks-events/WH-1")
      assert.strictEqual(event?.headers.authorization, "Bearer A21AA-token")
    })
  )

  it.effect("one token serves until it expires", () =>
    Effect.gen(function* () {
      const { interpret, server } = yield* given(() => ({ body: captured("10.00") }))
      yield* interpret(captured("10.00"))
      yield* interpret(captured("10.00"))
      yield* TestClock.adjust("9 hours")
      yield* interpret(captured("10.00"))
      assert.lengthOf(
        server.asked.filter(({ path }) => path === "/v1/oauth2/token"),
        2
      )
    })
  )

  it.effect("10.00 and 10.0 are the same money", () =>
    Effect.gen(function* () {
      const { interpret } = yield* given(() => ({ body: captured("10.0") }))
      assert.strictEqual(yield* interpret(captured("10.00")), "capture:C1:completed signature+requery")
    })
  )

  const others: ReadonlyArray<readonly [name: string, record: string]> = [
    ["amount", captured("10.01")],
    ["currency", captured("10.00").replace("USD", "EUR")],
    ["type", captured("10.00").replace("COMPLETED", "DENIED")],
    ["capture", captured("10.00").replace("C1", "C2")],
    ["event", captured("10.00").replace("WH-1", "WH-2")],
    ["nothing in it", "{}"]
  ]
  for (const [name, record] of others) {
    it.effect(`58: a record with another ${name}: payload_mismatch`, () =>
      Effect.gen(function* () {
        const { interpret } = yield* given(() => ({ body: record }))
        assert.strictEqual(yield* interpret(captured("10.00")), "permanent payload_mismatch -")
      })
    )
  }

  const failures: ReadonlyArray<readonly [name: string, reply: Reply, expected: string]> = [
    ["404", { status: 404 }, "world unconfirmed -"],
    ["401", { status: 401 }, "world provider_unauthorized -"],
    ["403", { status: 403 }, "world provider_unauthorized -"],
    [
      "429 with seconds",
      { status: 429, headers: { "retry-after": "7" } },
      "world provider_rate_limited 7000"
    ],
    [
      "429 with a date",
      { status: 429, headers: { "retry-after": new Date(NOW + 60_000).toUTCString() } },
      "world provider_rate_limited 60000"
    ],
    [
      "429 with nonsense",
      { status: 429, headers: { "retry-after": "soon" } },
      "world provider_rate_limited -"
    ],
    ["500", { status: 500 }, "world provider_unavailable -"],
    [
      "503 with seconds",
      { status: 503, headers: { "retry-after": "30" } },
      "world provider_unavailable 30000"
    ],
    ["a redirect", { status: 302, headers: { location: "/elsewhere" } }, "world provider_unavailable -"],
    ["a page", { body: "<html>" }, "world provider_unavailable -"],
    ["2 MB", { body: `{"a":"${"x".repeat(2_000_000)}"}` }, "world provider_unavailable -"]
  ]
  for (const [name, reply, expected] of failures) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const { interpret } = yield* given(() => reply)
        assert.strictEqual(yield* interpret(captured("10.00")), expected)
      })
    )
  }

  it.effect("silence: provider_unavailable after ten seconds", () =>
    Effect.gen(function* () {
      const { interpret, server } = yield* given(() => null)
      const outcome = yield* Effect.forkChild(interpret(captured("10.00")))
      yield* server.received(2)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(outcome), "world provider_unavailable -")
    })
  )

  it.effect("a refused token is thrown away, so the next attempt has a new one", () =>
    Effect.gen(function* () {
      let status = 401
      const { interpret, server } = yield* given(() => ({ status, body: captured("10.00") }))
      yield* interpret(captured("10.00"))
      status = 200
      assert.strictEqual(yield* interpret(captured("10.00")), "capture:C1:completed signature+requery")
      assert.lengthOf(server.asked, 4)
    })
  )

  it.effect("refused credentials are no word on the event", () =>
    Effect.gen(function* () {
      for (const status of [400, 401, 404]) {
        const { interpret } = yield* given(
          () => ({ body: captured("10.00") }),
          () => ({ status })
        )
        assert.strictEqual(yield* interpret(captured("10.00")), "world provider_unauthorized -")
      }
    })
  )

  it.effect("without credentials it does not start", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(PayPal.make(paypalOptions({ confirm: "money" })))
      assert.strictEqual(exit._tag, "Failure")
    })
  )

  it.effect("what is no money is not asked for", () =>
    Effect.gen(function* () {
      const { interpret, server } = yield* given(() => ({ status: 500 }))
      const subscription = JSON.stringify({
        id: "WH-1",
        event_type: "BILLING.SUBSCRIPTION.CREATED",
        resource: { id: "I-1" }
      })
      assert.strictEqual(yield* interpret(subscription), "subscription:I-1:WH-1 signature")
      assert.lengthOf(server.asked, 0)
    })
  )

  it.effect("93: an event id that would leave the path is not asked for", () =>
    Effect.gen(function* () {
      const { interpret, server } = yield* given(() => ({ body: captured("10.00") }))
      for (const id of ["..", ".", "../../x", "a/b", "%2e%2e"]) {
        assert.strictEqual(yield* interpret(captured("10.00", { id })), "permanent uninterpretable -")
      }
      assert.lengthOf(server.asked, 0)
    })
  )
})
