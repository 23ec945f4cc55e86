import { createPublicKey, verify, X509Certificate } from "node:crypto"
import { appendFile, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Cast from "../../../src/infra/simulator/Cast.ts"
import * as SimulatorClient from "../../../src/infra/simulator/SimulatorClient.ts"
import * as SimulatorServer from "../../../src/infra/simulator/SimulatorServer.ts"
import { scratchFolder } from "./scratchFolder.ts"

const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    const text = await response.text()
    return {
      status: response.status,
      text,
      json: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {}
    }
  })

const basic = (user: string, password = "") => ({
  headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` }
})
const payment = { paymentKey: "tgen_1", orderId: "order-1", status: "DONE", orderName: "토스\t티셔츠" }
const cast = { seed: "a seed", copies: 2, now: Date.now() }

describe("the simulator's server", () => {
  it.live("serves the certificate that the deliveries are signed with", () =>
    Effect.gen(function* () {
      const stateDir = yield* scratchFolder
      const { webhookId } = yield* SimulatorServer.start({ stateDir })
      const client = yield* SimulatorClient.connect(stateDir)
      const [event] = Cast.oneEvent(client, "paypal", cast).events
      const headers = event!.copies[0]!

      const certificate = yield* ask(headers["paypal-cert-url"]!)
      assert.strictEqual(certificate.status, 200)
      assert.strictEqual(certificate.text.match(/BEGIN CERTIFICATE/g)?.length, 1)
      const signed = [
        headers["paypal-transmission-id"],
        headers["paypal-transmission-time"],
        webhookId,
        crc32(event!.body)
      ].join("|")
      const key = createPublicKey(
        new X509Certificate(certificate.text).publicKey.export({ type: "spki", format: "pem" })
      )
      const signature = Buffer.from(headers["paypal-transmission-sig"]!, "base64")
      assert.isTrue(verify("sha256", Buffer.from(signed), key, signature))
      assert.isFalse(verify("sha256", Buffer.from(`${signed}0`), key, signature))
    })
  )

  it.live("answers for payments as Toss does, by key and by order", () =>
    Effect.gen(function* () {
      const { origin, tossSecretKey } = yield* SimulatorServer.start({ stateDir: yield* scratchFolder })
      const put = yield* ask(`${origin}/_simulator/payments/tgen_1`, {
        method: "PUT",
        body: JSON.stringify(payment)
      })
      assert.strictEqual(put.status, 200)

      for (const path of ["/v1/payments/tgen_1", "/v1/payments/orders/order-1"]) {
        const found = yield* ask(origin + path, basic(tossSecretKey))
        assert.strictEqual(found.status, 200)
        assert.deepEqual(found.json, payment)
      }
      const unknown = yield* ask(`${origin}/v1/payments/tgen_2`, basic(tossSecretKey))
      assert.deepEqual([unknown.status, unknown.json.code], [404, "NOT_FOUND_PAYMENT"])
      const stranger = yield* ask(`${origin}/v1/payments/tgen_1`, basic("test_sk_other"))
      assert.deepEqual([stranger.status, stranger.json.code], [401, "UNAUTHORIZED_KEY"])
      const nobody = yield* ask(`${origin}/v1/payments/tgen_1`)
      assert.strictEqual(nobody.status, 401)
    })
  )

  it.live("gives tokens for the client's credentials, and events for tokens", () =>
    Effect.gen(function* () {
      const { clientId, clientSecret, origin } = yield* SimulatorServer.start({
        stateDir: yield* scratchFolder
      })
      const event = { id: "WH-1-2", event_type: "PAYMENT.CAPTURE.COMPLETED" }
      yield* ask(`${origin}/_simulator/events/WH-1-2`, { method: "PUT", body: JSON.stringify(event) })
      const form = { method: "POST", body: new URLSearchParams({ grant_type: "client_credentials" }) }

      const refused = yield* ask(`${origin}/v1/oauth2/token`, { ...form, ...basic(clientId, "wrong") })
      assert.deepEqual([refused.status, refused.json.error], [401, "invalid_client"])
      const granted = yield* ask(`${origin}/v1/oauth2/token`, { ...form, ...basic(clientId, clientSecret) })
      assert.strictEqual(granted.json.token_type, "Bearer")

      const look = (id: string, token: unknown) =>
        ask(`${origin}/v1/notifications/webhooks-events/${id}`, {
          headers: { authorization: `Bearer ${token}` }
        })
      assert.deepEqual((yield* look("WH-1-2", granted.json.access_token)).json, event)
      assert.strictEqual((yield* look("WH-9-9", granted.json.access_token)).status, 404)
      assert.strictEqual((yield* look("WH-1-2", `${granted.json.access_token}x`)).status, 401)
    })
  )

  it.live("finds address, keys and payments again after a restart, past a torn line", () =>
    Effect.gen(function* () {
      const stateDir = yield* scratchFolder
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const simulator = yield* SimulatorServer.start({ stateDir })
          const client = yield* SimulatorClient.connect(stateDir)
          yield* client.deposit([{ ...payment, status: "WAITING_FOR_DEPOSIT" }, payment], [])
          return simulator
        })
      )
      yield* Effect.promise(() =>
        appendFile(join(stateDir, "deposits.tsv"), 'payment\ttgen_1\torder-1\t{"paymentK')
      )

      const second = yield* SimulatorServer.start({ stateDir })
      assert.deepEqual(second, first)
      const client = yield* SimulatorClient.connect(stateDir)
      yield* client.deposit([{ ...payment, paymentKey: "tgen_3", orderId: "order-3" }], [])
      const ofToss = basic(second.tossSecretKey)
      const found = yield* ask(`${second.origin}/v1/payments/orders/order-1`, ofToss)
      assert.deepEqual(found.json, payment)
      assert.strictEqual((yield* ask(`${second.origin}/v1/payments/tgen_3`, ofToss)).status, 200)
    })
  )

  it.live("keeps its secrets to its owner", () =>
    Effect.gen(function* () {
      const stateDir = yield* scratchFolder
      yield* SimulatorServer.start({ stateDir })
      const names = yield* Effect.promise(() => readdir(stateDir))
      assert.include(names, "identity.json")
      for (const name of names) {
        const { mode } = yield* Effect.promise(() => stat(join(stateDir, name)))
        assert.strictEqual(mode & 0o777, 0o600, name)
      }
    })
  )

  it.live("misbehaves as it is told, and stops when told so", () =>
    Effect.gen(function* () {
      const { origin, tossSecretKey } = yield* SimulatorServer.start({ stateDir: yield* scratchFolder })
      const faults = (body: unknown) =>
        ask(`${origin}/_simulator/faults`, { method: "PUT", body: JSON.stringify(body) })
      const look = ask(`${origin}/v1/payments/tgen_1`, basic(tossSecretKey))

      yield* faults({ api: "toss", status: 500, delay_ms: 20 })
      assert.strictEqual((yield* look).status, 500)
      yield* faults([{ api: "paypal", status: 503 }])
      assert.strictEqual((yield* look).status, 404)
      yield* faults({ api: "toss", status: 0 })
      const dropped = yield* Effect.tryPromise(() => fetch(`${origin}/v1/payments/tgen_1`)).pipe(
        Effect.isFailure
      )
      assert.isTrue(dropped)
      yield* faults({})
      assert.strictEqual((yield* look).status, 404)
      assert.strictEqual((yield* faults({ api: "stripe" })).status, 400)
    })
  )

  it.live("says which port is taken", () =>
    Effect.gen(function* () {
      const { origin } = yield* SimulatorServer.start({ stateDir: yield* scratchFolder })
      const port = Number(new URL(origin).port)
      const error = yield* Effect.flip(SimulatorServer.start({ stateDir: yield* scratchFolder, port }))
      assert.include(error.message, String(port))
      assert.notInclude(error.message, "\n")
    })
  )
})
