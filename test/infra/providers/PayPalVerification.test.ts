import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as PayPal from "../../../src/infra/providers/PayPal.ts"
import { makeTestCa } from "../../support/TestCa.ts"
import {
  DAY,
  LIVE_NAME,
  makeDelivery,
  NOW,
  paypalDelivery,
  paypalEndpoint,
  paypalOptions,
  SANDBOX_NAME,
  type Sending,
  validity,
  verdictOf
} from "./deliveries.ts"
import { type LocalServer, makeLocalServer, type Reply } from "./localServer.ts"

const ca = makeTestCa()
const expired = makeTestCa("Oncegate test CA of old", {
  notBefore: new Date(NOW - 900 * DAY),
  notAfter: new Date(NOW - DAY)
})
const early = makeTestCa("Oncegate test CA to come", {
  notBefore: new Date(NOW + DAY),
  notAfter: new Date(NOW + 900 * DAY)
})
const good = ca.issue({ name: LIVE_NAME, ...validity })
const PATH = "/v1/notifications/certs/CERT-360caa42-fca2a594-b0d12406"
const BODY = '{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"C1"}}'

/** A gate's adapter and a server that plays PayPal's certificate endpoint, at the time of these tests. */
const given = Effect.fnUntraced(function* (
  serve: (path: string) => Reply | null = () => ({ body: good.pem }),
  options: Parameters<typeof paypalOptions>[0] = {}
) {
  yield* TestClock.setTime(NOW)
  const server = yield* makeLocalServer(({ path }) => serve(path))
  const provider = yield* PayPal.make(
    paypalOptions({ certOrigin: server.origin, extraAnchors: [ca.pem], ...options })
  )
  return { server, provider }
})

const delivery = (server: LocalServer, changes: Partial<Sending> = {}) =>
  paypalDelivery({ certificate: good, certUrl: server.origin + PATH, body: BODY, ...changes })

describe("PayPal verification", () => {
  it.effect("a genuine delivery is verified and named by its event", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      const identity = yield* provider.identify(delivery(server))
      assert.strictEqual(identity.dedupKey, "ev_WH-1")
      assert.strictEqual(identity.eventType, "PAYMENT.CAPTURE.COMPLETED")
      assert.strictEqual(identity.transmission?.id, "0f14627d-cc41-11f0-9ad0-21cf84660aee")
      assert.isFalse(identity.quarantine)
    })
  )

  const SIG = "paypal-transmission-sig"
  const refusals: ReadonlyArray<
    readonly [name: string, change: (server: LocalServer) => Partial<Sending>, expected: string]
  > = [
    ["1 no signature", () => ({ tamper: { [SIG]: undefined } }), "header_missing"],
    ["2 an empty signature", () => ({ tamper: { [SIG]: "" } }), "header_missing"],
    ["no transmission id", () => ({ tamper: { "paypal-transmission-id": undefined } }), "header_missing"],
    ["the signature twice", () => ({ tamper: { [SIG]: ["a", "a"] } }), "header_repeated"],
    ["the id twice", () => ({ tamper: { "paypal-transmission-id": ["a", "b"] } }), "header_repeated"],
    [
      "the certificate URL twice",
      ({ origin }) => ({ tamper: { "paypal-cert-url": [origin + PATH, origin + PATH] } }),
      "header_repeated"
    ],
    ["two signatures joined by a proxy", () => ({ tamper: { [SIG]: "YWJj, YWJj" } }), "signature_format"],
    [
      "14 a truncated signature",
      () => ({ tamper: { [SIG]: Buffer.alloc(255, 7).toString("base64") } }),
      "signature_mismatch"
    ],
    [
      "15 a signature of 257 bytes",
      () => ({ tamper: { [SIG]: Buffer.alloc(257, 7).toString("base64") } }),
      "signature_mismatch"
    ],
    ["17 no base64", () => ({ tamper: { [SIG]: "!!" } }), "signature_format"],
    [
      "19 base64url",
      () => ({ tamper: { [SIG]: Buffer.alloc(256, 0xfb).toString("base64url") } }),
      "signature_format"
    ],
    [
      "a signature of zeros",
      () => ({ tamper: { [SIG]: Buffer.alloc(256).toString("base64") } }),
      "signature_mismatch"
    ],
    ["28 a byte order mark before the body", () => ({ swap: `\ufeff${BODY}` }), "signature_mismatch"],
    ["31 one byte of the body", () => ({ swap: BODY.replace("C1", "C2") }), "signature_mismatch"],
    ["32 an empty body", () => ({ swap: "" }), "signature_mismatch"],
    [
      "37 another time",
      () => ({ tamper: { "paypal-transmission-time": "2026-01-15T11:59:57Z" } }),
      "signature_mismatch"
    ],
    [
      "another id",
      () => ({ tamper: { "paypal-transmission-id": "0f14627d-cc41-11f0-9ad0-21cf84660aef" } }),
      "signature_mismatch"
    ],
    ["another webhook id", () => ({ webhookId: "OTHER" }), "signature_mismatch"],
    ["an id with a field in it", () => ({ id: "a|2026-01-15T11:59:58Z" }), "transmission_id"],
    ["a time that is none", () => ({ time: "yesterday" }), "transmission_time"],
    ["a time without an offset", () => ({ time: "2026-01-15T11:59:58" }), "transmission_time"],
    ["a month of 19", () => ({ time: "2025-19-15T11:59:58Z" }), "transmission_time"],
    ["11 a time in milliseconds", () => ({ time: "1768478398000" }), "transmission_time"],
    ["36 a time before our memory", () => ({ time: "2024-12-10T00:00:00Z" }), "transmission_too_old"],
    ["10 a time two days ahead", () => ({ time: "2026-01-17T12:00:01Z" }), "transmission_in_future"],
    [
      "39 http instead of https elsewhere",
      () => ({ certUrl: `http://api.paypal.com${PATH}` }),
      "certificate_url"
    ],
    [
      "45 an address inside",
      () => ({ certUrl: "https://169.254.169.254/latest/meta-data/" }),
      "certificate_url"
    ],
    [
      "48 dots in the path",
      ({ origin }) => ({ certUrl: `${origin}/v1/notifications/certs/../../x` }),
      "certificate_url"
    ]
  ]
  for (const [name, change, expected] of refusals) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given()
        const verdict = yield* verdictOf(provider, delivery(server, change(server)))
        assert.strictEqual(verdict, `SignatureInvalid ${expected}`)
        if (expected !== "signature_mismatch") assert.lengthOf(server.asked, 0, "nothing was fetched")
      })
    )
  }

  for (const algorithm of ["none", "SHA1withRSA", "HS256", "sha256withrsa", "SHA256withRSA "]) {
    it.effect(`38 algorithm ${JSON.stringify(algorithm)}`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given()
        const sent = delivery(server, { tamper: { "paypal-auth-algo": algorithm } })
        assert.strictEqual(yield* verdictOf(provider, sent), "SignatureInvalid algorithm")
      })
    )
  }

  it.effect("defect 5: headers have no X-, and with it they are not PayPal's", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      const genuine = delivery(server)
      const renamed = Object.fromEntries(
        Object.entries(genuine.headers).map(([name, value]) => [`x-${name}`, value])
      )
      assert.strictEqual(yield* verdictOf(provider, genuine), "accepted")
      assert.strictEqual(
        yield* verdictOf(provider, makeDelivery(paypalEndpoint(), renamed, genuine.body)),
        "SignatureInvalid header_missing"
      )
    })
  )

  it.effect("an old time is a genuine retry while keys are remembered", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      const sent = delivery(server, { time: new Date(NOW - 60 * DAY).toISOString() })
      assert.strictEqual(yield* verdictOf(provider, sent), "accepted")
    })
  )
})

describe("PayPal identity", () => {
  const named: ReadonlyArray<
    readonly [name: string, body: string | Uint8Array, key: RegExp, quarantine: boolean]
  > = [
    ["66 an empty object goes by its transmission", "{}", /^tx_0f14627d-/u, false],
    ["84 an id that is a number", '{"id":7}', /^tx_0f14627d-/u, false],
    ["84 an id that is an array", '{"id":["WH-1"]}', /^tx_0f14627d-/u, false],
    ["84 an id that is null", '{"id":null}', /^tx_0f14627d-/u, false],
    ["86 an id of 5,000 characters", `{"id":"${"x".repeat(5_000)}"}`, /^tx_0f14627d-/u, false],
    ["87 an id with NUL", '{"id":"WH\\u0000"}', /^tx_0f14627d-/u, false],
    ["89 an id beyond ASCII", '{"id":"WH-\u00e9"}', /^tx_0f14627d-/u, false],
    ["91 case is kept", '{"id":"wh-A"}', /^ev_wh-A$/u, false],
    ["93 a path", '{"id":"../../x"}', /^ev_\.\.\/\.\.\/x$/u, false],
    ["94 a line break", '{"id":"WH\\nALARM"}', /^tx_0f14627d-/u, false],
    ["95 an escape sequence", '{"id":"\\u001b[31m"}', /^tx_0f14627d-/u, false],
    ["61 an empty body", "", /^raw_e3b0c442[0-9a-f]{56}$/u, true],
    ["62 null", "null", /^raw_[0-9a-f]{64}$/u, true],
    ["65 an array", "[]", /^raw_[0-9a-f]{64}$/u, true],
    ["70 a byte order mark", '\ufeff{"id":"WH-1"}', /^raw_[0-9a-f]{64}$/u, true],
    ["72 invalid UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), /^raw_[0-9a-f]{64}$/u, true],
    ["73 two ids", '{"id":"WH-1","id":"WH-2"}', /^raw_[0-9a-f]{64}$/u, true]
  ]
  for (const [name, body, key, quarantine] of named) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given()
        const identity = yield* provider.identify(delivery(server, { body }))
        assert.match(identity.dedupKey, key)
        assert.strictEqual(identity.quarantine, quarantine)
        assert.isNotNull(identity.transmission)
      })
    )
  }

  it.effect("an event type that no column could hold is none", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      const identity = yield* provider.identify(
        delivery(server, { body: '{"id":"WH-1","event_type":"A\\u0000"}' })
      )
      assert.isNull(identity.eventType)
    })
  )

  it.effect("58: two bodies of one CRC-32 share one transmission, under two hashes", () =>
    Effect.gen(function* () {
      // given two bodies that CRC-32 cannot tell apart: eight bytes were chosen for it
      const { provider, server } = yield* given()
      const genuine = '{"id":"WH-1","amount":"1.00","pad":"plumless"}'
      const forged = '{"id":"WH-1","amount":"1.00","pad":"buckeroo"}'
      // when
      const first = delivery(server, { body: genuine })
      const second = delivery(server, { body: genuine, swap: forged })
      const [one, two] = [yield* provider.identify(first), yield* provider.identify(second)]
      // then both verify, and the gate's transmission rule has what it needs to stop the second
      assert.deepStrictEqual(one.transmission, two.transmission)
      assert.notStrictEqual(first.hash, second.hash)
    })
  )
})

describe("PayPal certificates", () => {
  const certificates: ReadonlyArray<
    readonly [name: string, make: () => ReturnType<typeof ca.issue>, expected: string]
  > = [
    [
      "52 self-signed under PayPal's name",
      () => ca.selfSigned({ name: LIVE_NAME, ...validity }),
      "VerificationUnavailable certificate_issuer_unknown"
    ],
    [
      "an authority of the same name with another key",
      () => makeTestCa().issue({ name: LIVE_NAME, ...validity }),
      "VerificationUnavailable certificate_issuer_unknown"
    ],
    [
      "another name under a known authority",
      () => ca.issue({ name: "evil.example", ...validity }),
      "SignatureInvalid certificate_name"
    ],
    [
      "PayPal's name before another alternative name",
      () => ca.issue({ name: LIVE_NAME, alternativeName: "evil.example", ...validity }),
      "SignatureInvalid certificate_name"
    ],
    [
      "a wildcard",
      () => ca.issue({ name: "*.paypal.com", ...validity }),
      "SignatureInvalid certificate_name"
    ],
    [
      "PayPal's name with more behind it",
      () => ca.issue({ name: `${LIVE_NAME}.evil.tld`, ...validity }),
      "SignatureInvalid certificate_name"
    ],
    [
      "56 the sandbox's certificate in live",
      () => ca.issue({ name: SANDBOX_NAME, ...validity }),
      "SignatureInvalid certificate_name"
    ],
    [
      "the common name where there are no others",
      () => ca.issue({ name: LIVE_NAME, alternativeName: null, ...validity }),
      "accepted"
    ],
    [
      "53 expired when it signed",
      () =>
        ca.issue({ name: LIVE_NAME, notBefore: new Date(NOW - 400 * DAY), notAfter: new Date(NOW - DAY) }),
      "SignatureInvalid certificate_expired"
    ],
    [
      "54 not valid yet when it signed",
      () => ca.issue({ name: LIVE_NAME, notBefore: new Date(NOW), notAfter: new Date(NOW + DAY) }),
      "SignatureInvalid certificate_not_yet_valid"
    ],
    [
      "an authority that had expired when it signed",
      () => expired.issue({ name: LIVE_NAME, ...validity }),
      "SignatureInvalid certificate_expired"
    ],
    [
      "an authority that was not valid yet when it signed",
      () => early.issue({ name: LIVE_NAME, ...validity }),
      "SignatureInvalid certificate_not_yet_valid"
    ],
    [
      "a key that is not RSA",
      () => ca.issue({ name: LIVE_NAME, ...validity, keys: "ec" }),
      "SignatureInvalid certificate_key"
    ]
  ]
  for (const [name, make, expected] of certificates) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function* () {
        const certificate = make()
        const { provider, server } = yield* given(() => ({ body: certificate.pem }), {
          extraAnchors: [ca.pem, expired.pem, early.pem]
        })
        const sent = delivery(server, { certificate, time: "2026-01-15T11:59:58Z" })
        assert.strictEqual(yield* verdictOf(provider, sent), expected)
      })
    )
  }

  it.effect("a delivery of before the certificate expired is taken for 30 days more, and not for ever", () =>
    Effect.gen(function* () {
      const certificate = ca.issue({
        name: LIVE_NAME,
        notBefore: new Date(NOW - 200 * DAY),
        notAfter: new Date(NOW)
      })
      const { provider, server } = yield* given(() => ({ body: certificate.pem }))
      const sent = delivery(server, { certificate })
      yield* TestClock.setTime(NOW + 29 * DAY)
      assert.strictEqual(yield* verdictOf(provider, sent), "accepted")
      yield* TestClock.setTime(NOW + 31 * DAY)
      assert.strictEqual(yield* verdictOf(provider, sent), "SignatureInvalid certificate_expired")
    })
  )

  it.effect("the sandbox takes both of PayPal's names", () =>
    Effect.gen(function* () {
      const certificate = ca.issue({ name: SANDBOX_NAME, ...validity })
      const endpoint = paypalEndpoint("sandbox")
      const serve = (path: string) => ({ body: path === PATH ? certificate.pem : good.pem })
      const { provider, server } = yield* given(serve, { endpoint })
      assert.strictEqual(yield* verdictOf(provider, delivery(server, { certificate })), "accepted")
      assert.strictEqual(
        yield* verdictOf(provider, delivery(server, { certUrl: `${server.origin}${PATH}2` })),
        "accepted"
      )
    })
  )

  const unreachable: ReadonlyArray<readonly [name: string, reply: Reply, reason: string]> = [
    ["404", { status: 404 }, "certificate_unreachable"],
    ["500", { status: 500, body: good.pem }, "certificate_unreachable"],
    [
      "51 a redirect",
      { status: 302, headers: { location: "https://evil.tld/x" }, body: good.pem },
      "certificate_unreachable"
    ],
    ["more than 64 kB", { body: good.pem + "x".repeat(70_000) }, "certificate_unreachable"],
    ["a page", { body: "<html>" }, "certificate_unreadable"],
    ["nothing", { body: "" }, "certificate_unreadable"],
    [
      "a broken certificate",
      { body: good.pem.replace(/[A-Z]{2}/u, "AA").slice(0, 300) },
      "certificate_unreadable"
    ]
  ]
  for (const [name, reply, reason] of unreachable) {
    it.effect(`${name}: unavailable, ${reason}`, () =>
      Effect.gen(function* () {
        const { provider, server } = yield* given(() => reply)
        assert.strictEqual(yield* verdictOf(provider, delivery(server)), `VerificationUnavailable ${reason}`)
        assert.lengthOf(server.asked, 1)
      })
    )
  }

  it.effect("51 a redirect is not followed, not even to PayPal's own certificate", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given((path) =>
        path === PATH ? { status: 302, headers: { location: `${PATH}-2` } } : { body: good.pem }
      )
      assert.strictEqual(
        yield* verdictOf(provider, delivery(server)),
        "VerificationUnavailable certificate_unreachable"
      )
      assert.lengthOf(server.asked, 1)
    })
  )

  it.effect("a certificate that is no authority issues nothing, though it stands among the anchors", () =>
    Effect.gen(function* () {
      const party = makeTestCa()
      const certificate = party.issue({ name: LIVE_NAME, ...validity })
      const selfSigned = ca.selfSigned({ name: LIVE_NAME, ...validity })
      const { provider, server } = yield* given(() => ({ body: selfSigned.pem }), {
        extraAnchors: [selfSigned.pem + certificate.pem]
      })
      assert.strictEqual(
        yield* verdictOf(provider, delivery(server, { certificate: selfSigned })),
        "VerificationUnavailable certificate_issuer_unknown"
      )
    })
  )

  it.effect("55 a server that never answers is given up after five seconds", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given(() => null)
      const verdict = yield* Effect.forkChild(verdictOf(provider, delivery(server)))
      yield* server.received(1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(verdict), "VerificationUnavailable certificate_unreachable")
    })
  )

  it.effect("concurrent deliveries share one request, later ones need none", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      const many = Array.from({ length: 20 }, () => verdictOf(provider, delivery(server)))
      const verdicts = yield* Effect.all(many, { concurrency: "unbounded" })
      yield* TestClock.adjust("1 hour")
      verdicts.push(yield* verdictOf(provider, delivery(server)))
      assert.deepStrictEqual(new Set(verdicts), new Set(["accepted"]))
      assert.lengthOf(server.asked, 1)
    })
  )

  it.effect("an impatient caller does not spoil the request that others wait for", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      const impatient = yield* Effect.forkChild(verdictOf(provider, delivery(server)))
      const patient = yield* Effect.forkChild(verdictOf(provider, delivery(server)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(impatient)
      assert.strictEqual(yield* Fiber.join(patient), "accepted")
    })
  )

  it.effect("a certificate is asked for again after half a day, as it may have been replaced", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* given()
      yield* verdictOf(provider, delivery(server))
      yield* TestClock.adjust("13 hours")
      assert.strictEqual(yield* verdictOf(provider, delivery(server)), "accepted")
      assert.lengthOf(server.asked, 2)
    })
  )

  it.effect("a failure is remembered for some seconds only", () =>
    Effect.gen(function* () {
      let status = 500
      const { provider, server } = yield* given(() => ({ status, body: good.pem }))
      const first = yield* verdictOf(provider, delivery(server))
      status = 200
      const second = yield* verdictOf(provider, delivery(server))
      yield* TestClock.adjust("6 seconds")
      const third = yield* verdictOf(provider, delivery(server))
      const failed = "VerificationUnavailable certificate_unreachable"
      assert.deepStrictEqual([first, second, third], [failed, failed, "accepted"])
      assert.lengthOf(server.asked, 2)
    })
  )

  it.effect("a flood of invented URLs makes few requests and does not touch the known one", () =>
    Effect.gen(function* () {
      // given a certificate that is known
      const { provider, server } = yield* given((path) =>
        path === PATH ? { body: good.pem } : { status: 404 }
      )
      yield* verdictOf(provider, delivery(server))
      // when 1,000 invented ones are claimed
      const base = delivery(server)
      for (let n = 0; n < 1_000; n++) {
        const headers = { ...base.headers, "paypal-cert-url": [`${server.origin}${PATH}-${n}`] }
        yield* verdictOf(provider, { ...base, headers })
      }
      // then
      assert.isAtMost(server.asked.length, 11)
      assert.strictEqual(yield* verdictOf(provider, delivery(server)), "accepted")
    })
  )

  it.effect("a known certificate is not fetched, but checked", () =>
    Effect.gen(function* () {
      const url = `https://api.paypal.com${PATH}`
      const forged = ca.selfSigned({ name: LIVE_NAME, ...validity })
      const known = (pem: string) =>
        PayPal.make(paypalOptions({ extraAnchors: [ca.pem], knownCertificates: new Map([[url, pem]]) }))
      yield* TestClock.setTime(NOW)
      const sent = paypalDelivery({ certificate: good, certUrl: url, body: BODY })
      assert.strictEqual(yield* verdictOf(yield* known(good.pem), sent), "accepted")
      const badly = paypalDelivery({ certificate: forged, certUrl: url, body: BODY })
      assert.strictEqual(
        yield* verdictOf(yield* known(forged.pem), badly),
        "VerificationUnavailable certificate_issuer_unknown"
      )
    })
  )

  it.effect("the webhook id is kept out of sight", () =>
    Effect.gen(function* () {
      const options = paypalOptions({ webhookId: Redacted.make("SENTINEL") })
      const provider = yield* PayPal.make(options)
      assert.notInclude(JSON.stringify(provider), "SENTINEL")
      assert.notInclude(JSON.stringify(options), "SENTINEL")
    })
  )
})
