import { request } from "node:http"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { collide } from "../support/crcCollision.ts"
import { post } from "../support/Gate.ts"
import { House, house } from "../support/House.ts"
import { resigned } from "../support/resigned.ts"

const SENTINEL = "SENTINEL_4111111111111111"

layer(house(), { excludeTestServices: true, timeout: "3 minutes" })("the ingress", (it) => {
  const paypal = (gate: { readonly url: string }) => `${gate.url}/webhooks/paypal`

  describe("the earlier gate's acceptance, in its own words", () => {
    it.effect("T1: a duplicate is answered 200 already_processed, and is not processed", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const { body, copies, dedupKey } = providers.capture(2)
        yield* post(paypal(gate), copies[0]!, body)
        const again = yield* post(paypal(gate), copies[1]!, body)
        assert.strictEqual(again.status, 200)
        assert.deepStrictEqual(again.body, { status: "already_processed", state: "done" })
        const log = yield* Effect.promise(
          () =>
            gate.sql<
              Array<{ type: string }>
            >`SELECT type FROM webhook_event_log WHERE dedup_key = ${dedupKey} ORDER BY position`
        )
        assert.deepStrictEqual(
          log.map(({ type }) => type),
          ["Claimed", "BillingEventRecorded", "Completed", "DuplicateSeen"]
        )
      })
    )

    it.effect("T2: the first delivery is processed once", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const { body, copies, dedupKey, facts } = providers.capture()
        const answer = yield* post(paypal(gate), copies[0]!, body)
        assert.deepStrictEqual([answer.status, answer.body], [200, { status: "processed" }])
        const [row] = yield* Effect.promise(
          () =>
            gate.sql`SELECT status, fence, version FROM webhook_dedup_events WHERE dedup_key = ${dedupKey}`
        )
        assert.deepStrictEqual({ ...row }, { status: "done", fence: 1, version: 2 })
        const effects = yield* Effect.promise(
          () =>
            gate.sql<
              Array<{ effect_key: string }>
            >`SELECT effect_key FROM billing_effects WHERE dedup_key = ${dedupKey}`
        )
        assert.deepStrictEqual(
          effects.map(({ effect_key }) => effect_key),
          facts.map(({ effect_key }) => effect_key)
        )
      })
    )

    it.effect("T3: nothing of body or headers stands in any log record, at any nesting", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const { body, copies } = providers.capture()
        const tossBody = Buffer.from(
          JSON.stringify({
            eventType: "PAYMENT_STATUS_CHANGED",
            createdAt: SENTINEL,
            [SENTINEL]: SENTINEL,
            data: {
              paymentKey: SENTINEL,
              status: "DONE",
              lastTransactionKey: SENTINEL,
              orderId: SENTINEL,
              secret: SENTINEL
            }
          })
        )
        const json = { "content-type": "application/json" }
        const before = gate.logs.join("").length
        // genuine; tampered; broken JSON; with the sentinel in each header; unconfirmed by Toss
        yield* post(paypal(gate), copies[0]!, body)
        yield* post(paypal(gate), copies[0]!, Buffer.from(`{"id":"${SENTINEL}"}`))
        yield* post(`${gate.url}/webhooks/toss`, json, Buffer.from(`{"${SENTINEL}`))
        for (const name of Object.keys(copies[0]!).filter((one) => one.startsWith("paypal-")))
          yield* post(paypal(gate), { ...copies[0]!, [name]: SENTINEL }, body)
        yield* post(
          `${gate.url}/webhooks/toss`,
          { ...json, "tosspayments-webhook-transmission-id": SENTINEL },
          tossBody
        )
        yield* post(`${gate.url}/webhooks/toss`, json, tossBody)
        yield* post(`${gate.url}/webhooks/${SENTINEL}`, json, tossBody)
        const text = gate.logs.join("").slice(before)
        assert.include(text, "WEBHOOK_RECEIVED")
        assert.include(text, "WEBHOOK_SIGNATURE_INVALID")
        const signature = copies[0]!["paypal-transmission-sig"]!
        const id = (JSON.parse(body.toString()) as { resource: { id: string } }).resource.id
        for (const secret of [SENTINEL, SENTINEL.slice(0, 8), "41111111", signature.slice(0, 24), id])
          assert.notInclude(text, secret)
      })
    )

    it.effect(
      "T4: of five at the same moment one is processed, four are already processed: one row, one fact",
      () =>
        Effect.gen(function* () {
          const { gate, providers } = yield* House
          const { body, copies, dedupKey } = providers.capture()
          const answers = yield* Effect.all(
            Array.from({ length: 5 }, () => post(paypal(gate), copies[0]!, body)),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            answers.map(({ status }) => status),
            [200, 200, 200, 200, 200]
          )
          assert.deepStrictEqual(answers.map((answer) => answer.body.status).sort(), [
            "already_processed",
            "already_processed",
            "already_processed",
            "already_processed",
            "processed"
          ])
          const [counts] = yield* Effect.promise(
            () => gate.sql`
            SELECT (SELECT count(*)::int FROM webhook_dedup_events WHERE dedup_key = ${dedupKey}) AS rows,
                   count(*) FILTER (WHERE type = 'BillingEventRecorded')::int AS facts,
                   count(DISTINCT xid) FILTER (WHERE type IN ('BillingEventRecorded', 'Completed'))::int AS commits
              FROM webhook_event_log WHERE dedup_key = ${dedupKey}`
          )
          assert.deepStrictEqual({ ...counts }, { rows: 1, facts: 1, commits: 1 })
        })
    )
  })

  describe("answers", () => {
    const json = { "content-type": "application/json" }

    it.effect("refuses what is not verified with one constant problem, and stores nothing", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const { body, copies, dedupKey } = providers.capture()
        // Another digit, whichever was there: one amount in a hundred begins with a 9.
        const tampered = Buffer.from(
          body.toString().replace(/"value":"(\d)/, (_, digit) => `"value":"${digit === "9" ? 8 : 9}`)
        )
        const first = yield* post(paypal(gate), copies[0]!, tampered)
        const second = yield* post(paypal(gate), json, body)
        for (const answer of [first, second]) {
          assert.strictEqual(answer.status, 401)
          assert.strictEqual(answer.headers.get("content-type"), "application/problem+json")
        }
        assert.deepStrictEqual(first.body, second.body)
        const rows = yield* Effect.promise(
          () => gate.sql`SELECT 1 FROM webhook_dedup_events WHERE dedup_key = ${dedupKey}`
        )
        assert.strictEqual(rows.length, 0)
      })
    )

    it.effect(
      "knows its endpoints, method and type: 404, 405, 415, and 400 for an unsigned body that is no object",
      () =>
        Effect.gen(function* () {
          const { gate } = yield* House
          const body = Buffer.from("{}")
          assert.strictEqual((yield* post(`${gate.url}/webhooks/stripe`, json, body)).status, 404)
          assert.strictEqual((yield* post(`${gate.url}/webhooks/PayPal`, json, body)).status, 404)
          assert.strictEqual((yield* post(paypal(gate), { "content-type": "text/plain" }, body)).status, 415)
          const get = yield* Effect.promise(() => fetch(paypal(gate)))
          assert.deepStrictEqual([get.status, get.headers.get("allow")], [405, "POST"])
          for (const text of ["null", "0", "[]", '"x"', "", "{}{}", "not json"])
            assert.strictEqual(
              (yield* post(`${gate.url}/webhooks/toss`, json, Buffer.from(text))).status,
              400,
              text
            )
        })
    )

    it.effect("keeps a trace that has the form of one, and no other text of the sender's", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const genuine = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for (const [traceparent, kept] of [
          [genuine, genuine],
          [`${genuine}-${SENTINEL}`, null],
          [SENTINEL, null]
        ] as const) {
          const { body, copies, dedupKey } = providers.capture()
          yield* post(paypal(gate), { ...copies[0]!, traceparent }, body)
          const rows = yield* Effect.promise(
            () => gate.sql`SELECT DISTINCT trace FROM webhook_event_log WHERE dedup_key = ${dedupKey}`
          )
          assert.deepStrictEqual(
            rows.map(({ trace }) => trace),
            [kept]
          )
        }
      })
    )

    it.effect("quarantines a verified body that is no JSON object: kept, alarmed, answered 200", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const body = Buffer.from(`[${Math.random()}]`)
        const headers = resigned(providers, body)
        const first = yield* post(paypal(gate), headers, body)
        const again = yield* post(paypal(gate), headers, body)
        assert.deepStrictEqual(first.body, { status: "quarantined" })
        assert.deepStrictEqual(again.body, { status: "already_processed", state: "quarantined" })
        assert.include(gate.logs.join(""), '"code":"quarantined"')
      })
    )

    it.effect("keeps a second body under a known key apart, parked, both in custody", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const { body, copies, dedupKey } = providers.capture()
        yield* post(paypal(gate), copies[0]!, body)
        const other = Buffer.from(body.toString().replace('"summary":"', '"summary":"Other: '))
        const answer = yield* post(paypal(gate), resigned(providers, other), other)
        assert.deepStrictEqual(answer.body, { status: "already_processed", state: "conflict" })
        const rows = yield* Effect.promise(
          () => gate.sql`
            SELECT e.status, e.error_code, p.dedup_key IS NOT NULL AS custody
              FROM webhook_dedup_events e LEFT JOIN webhook_payloads p USING (provider, dedup_key)
             WHERE e.dedup_key LIKE ${`${dedupKey}%`} ORDER BY e.id`
        )
        assert.deepStrictEqual(
          rows.map((row) => ({ ...row })),
          [
            { status: "done", error_code: null, custody: true },
            { status: "failed", error_code: "payload_mismatch", custody: true }
          ]
        )
      })
    )

    it.effect("refuses a second body under one transmission and CRC as forged, without a claim", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const { body, copies, dedupKey } = providers.capture()
        yield* post(paypal(gate), copies[0]!, body)
        const forged = collide(body, Buffer.from(body.toString().replace(/WH-/, "WX-")))
        const answer = yield* post(paypal(gate), copies[0]!, forged)
        assert.strictEqual(answer.status, 401)
        const [counts] = yield* Effect.promise(
          () => gate.sql`
            SELECT count(*) FILTER (WHERE type = 'Forgery')::int AS forgeries,
                   (SELECT count(*)::int FROM webhook_dedup_events WHERE dedup_key = ${dedupKey.replace("WH-", "WX-")}) AS rows
              FROM webhook_event_log WHERE dedup_key = ${dedupKey.replace("WH-", "WX-")}`
        )
        assert.deepStrictEqual({ ...counts }, { forgeries: 1, rows: 0 })
        assert.include(gate.logs.join(""), '"code":"forgery"')
      })
    )

    it.effect(
      "enforces the size limit while reading, chunked or declared, and takes what is just within",
      () =>
        Effect.gen(function* () {
          const { gate } = yield* House
          const send = (bytes: number, chunked: boolean) =>
            Effect.callback<number>((resume) => {
              const call = request(`${gate.url}/webhooks/toss`, {
                method: "POST",
                headers: {
                  ...json,
                  ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": bytes })
                }
              })
              call.on("response", (response) => {
                response.resume()
                resume(Effect.succeed(response.statusCode ?? 0))
              })
              call.on("error", () => {}) // the gate may close before all is sent
              call.end(Buffer.alloc(bytes, "x"))
            })
          assert.strictEqual(yield* send(262_145, false), 413)
          assert.strictEqual(yield* send(262_145, true), 413)
          assert.strictEqual(yield* send(262_144, true), 400)
        })
    )

    it.effect("refuses a size that is announced over the limit before any of it is sent", () =>
      Effect.gen(function* () {
        const { gate } = yield* House
        const status = yield* Effect.callback<number | undefined>((resume) => {
          const call = request(`${gate.url}/webhooks/toss`, {
            method: "POST",
            headers: { ...json, "content-length": 262_145 }
          })
          call.on("response", ({ statusCode }) => {
            call.destroy()
            resume(Effect.succeed(statusCode))
          })
          call.on("error", () => {})
          call.flushHeaders()
        })
        assert.strictEqual(status, 413)
      })
    )

    it.effect("tells health and readiness", () =>
      Effect.gen(function* () {
        const { gate } = yield* House
        for (const path of ["healthz", "readyz"])
          assert.strictEqual((yield* Effect.promise(() => fetch(`${gate.url}/${path}`))).status, 200)
      })
    )
  })
})
