import { randomUUID, sign } from "node:crypto"
import { crc32 } from "../../../src/infra/providers/Crc32.ts"
import type { ProvidersUnderTest } from "../../support/Providers.ts"
import { resigned } from "../../support/resigned.ts"
import type { Raw } from "./raw.ts"

/** What a case sends, how it is answered, and what becomes of it in the database: the states of the rows it leaves. */
export interface Case {
  readonly name: string
  readonly request: (providers: ProvidersUnderTest) => Raw
  readonly status: number
  readonly word: string
  readonly rows?: ReadonlyArray<string>
}

const PAYPAL = "/webhooks/paypal"
const TOSS = "/webhooks/toss"
const LIMIT = 262_144
const json = ["content-type", "application/json"] as const

const list = (headers: Readonly<Record<string, string>>) => Object.entries(headers)
const event = (id: unknown, more: object = {}) =>
  Buffer.from(JSON.stringify({ id, event_type: "SOMETHING.UNMAPPED", resource: {}, ...more }))
const fresh = () => event(`WH-${randomUUID()}`)

/** Genuinely signed, whatever the body. */
const signed = (body: Uint8Array | string | (() => Uint8Array)) => (providers: ProvidersUnderTest) => {
  const bytes = typeof body === "function" ? body() : Buffer.from(body)
  return { path: PAYPAL, headers: list(resigned(providers, bytes)), body: bytes }
}

/** Signed, then some headers changed: undefined takes one away, a list repeats it. */
const changed =
  (
    changes: (headers: Record<string, string>) => Record<string, string | ReadonlyArray<string> | undefined>
  ) =>
  (providers: ProvidersUnderTest): Raw => {
    const body = fresh()
    const headers = resigned(providers, body)
    const next = { ...headers, ...changes(headers) }
    return {
      path: PAYPAL,
      body,
      headers: Object.entries(next).flatMap(([name, value]) =>
        value === undefined ? [] : [value].flat().map((one) => [name, one] as const)
      )
    }
  }

const signedAt =
  (time: string) =>
  (providers: ProvidersUnderTest): Raw => {
    const body = fresh()
    const headers = resigned(providers, body)
    const id = headers["paypal-transmission-id"]
    const text = `${id}|${time}|${providers.signer.webhookId}|${crc32(body)}`
    return {
      path: PAYPAL,
      body,
      headers: list({
        ...headers,
        "paypal-transmission-time": time,
        "paypal-transmission-sig": sign("sha256", Buffer.from(text), providers.signer.privateKey).toString(
          "base64"
        )
      })
    }
  }

const SIG = "paypal-transmission-sig"
const unverified = { status: 401, word: "WEBHOOK_SIGNATURE_INVALID" }

const signatures: ReadonlyArray<Case> = (
  [
    ["no signature header", changed(() => ({ [SIG]: undefined }))],
    ["an empty signature", changed(() => ({ [SIG]: "" }))],
    ["letters that are no base64", changed(() => ({ [SIG]: "zz!!" }))],
    ["the beginning of the right signature", changed((h) => ({ [SIG]: h[SIG]!.slice(0, 40) }))],
    ["the right signature and a byte more", changed((h) => ({ [SIG]: `${h[SIG]}QQ==` }))],
    ["white space for a signature", changed(() => ({ [SIG]: " \t " }))],
    ["zeros for a signature", changed(() => ({ [SIG]: Buffer.alloc(256).toString("base64") }))],
    ["a signature of one byte", changed(() => ({ [SIG]: "AA==" }))],
    ["a signature of 8,000 letters", changed(() => ({ [SIG]: "A".repeat(8_000) }))],
    ["the right signature thirty times", changed((h) => ({ [SIG]: new Array(30).fill(h[SIG]!) }))],
    ["the right signature without its padding", changed((h) => ({ [SIG]: h[SIG]!.replace(/=+$/, "") }))],
    ["the right signature with a space in it", changed((h) => ({ [SIG]: h[SIG]!.replace(/^.{20}/, "$& ") }))],
    ["a transmission id that parts the signed text", changed(() => ({ "paypal-transmission-id": "a|b" }))],
    ["base64url in place of base64", changed((h) => ({ [SIG]: h[SIG]!.replaceAll(/[+/]/g, "-") }))],
    ["the right signature twice", changed((h) => ({ [SIG]: [h[SIG]!, h[SIG]!] }))],
    ["a wrong signature, then the right one", changed((h) => ({ [SIG]: ["AAAA", h[SIG]!] }))],
    [
      "two transmission ids",
      changed((h) => ({ "paypal-transmission-id": [h["paypal-transmission-id"]!, "x"] }))
    ],
    ["another transmission id", changed(() => ({ "paypal-transmission-id": randomUUID() }))],
    ["no transmission id", changed(() => ({ "paypal-transmission-id": undefined }))],
    ["an empty transmission id", changed(() => ({ "paypal-transmission-id": "" }))],
    [
      "a transmission id of 5,000 characters",
      changed(() => ({ "paypal-transmission-id": "a".repeat(5_000) }))
    ],
    ["no transmission time", changed(() => ({ "paypal-transmission-time": undefined }))],
    ["another transmission time", changed(() => ({ "paypal-transmission-time": "2026-01-01T00:00:00Z" }))],
    ["a signed time that is no time", signedAt("abc")],
    ["a signed time of seconds", signedAt("1700000000")],
    ["a signed time older than keys are kept", signedAt("2020-01-01T00:00:00Z")],
    ["no algorithm", changed(() => ({ "paypal-auth-algo": undefined }))],
    ...["none", "SHA1withRSA", "HS256", "sha256withrsa", "sha256WithRSAEncryption,none"].map(
      (name) => [`algorithm ${name}`, changed(() => ({ "paypal-auth-algo": name }))] as const
    ),
    [
      "a byte of the body flipped",
      (p: ProvidersUnderTest) => {
        const request = signed(fresh)(p)
        const body = Buffer.from(request.body)
        body[body.length - 3]! ^= 1
        return { ...request, body }
      }
    ],
    [
      "the signature of another body, the body empty",
      (p: ProvidersUnderTest) => ({ ...signed(fresh)(p), body: Buffer.alloc(0) })
    ],
    [
      "a byte order mark before the signed body",
      (p: ProvidersUnderTest) => {
        const request = signed(fresh)(p)
        return { ...request, body: Buffer.concat([Buffer.from("\uFEFF"), request.body]) }
      }
    ],
    [
      "Toss's signature scheme",
      (p: ProvidersUnderTest) => ({
        path: PAYPAL,
        headers: [json, ["tosspayments-webhook-signature", "v1:AAAA,AAAA"]],
        body: signed(fresh)(p).body
      })
    ],
    [
      "a payout of Toss without a signature",
      () => ({
        path: TOSS,
        headers: [json],
        body: Buffer.from('{"eventType":"payout.changed","entityType":"payout","entityBody":{}}')
      })
    ],
    ...["v1:AAAA", `v1:${new Array(9).fill(Buffer.alloc(32).toString("base64")).join(",v1:")}`].map(
      (value) =>
        [
          `a payout of Toss under ${value.length > 20 ? "nine signatures" : "a short signature"}`,
          () => ({
            path: TOSS,
            headers: [
              json,
              ["tosspayments-webhook-transmission-time", "2026-01-01T00:00:00"],
              ["tosspayments-webhook-signature", value]
            ] as const,
            body: Buffer.from('{"eventType":"\\u0070ayout.changed","entityBody":{}}')
          })
        ] as const
    ),
    [
      "a payout of Toss with an empty signature",
      () => ({
        path: TOSS,
        headers: [json, ["tosspayments-webhook-signature", ""]],
        body: Buffer.from('{"eventType":"payout.changed","entityType":"payout","entityBody":{}}')
      })
    ]
  ] as ReadonlyArray<readonly [string, Case["request"]]>
).map(([name, request]) => ({ name, request, ...unverified }))

const certificates: ReadonlyArray<Case> = [
  "http://api.paypal.com/v1/notifications/certs/CERT-1",
  "https://api.paypal.com.evil.tld/v1/notifications/certs/CERT-1",
  "https://evil.tld/api.paypal.com/v1/notifications/certs/CERT-1",
  "https://api.paypal.com@evil.tld/v1/notifications/certs/CERT-1",
  "https://169.254.169.254/latest/meta-data/",
  "https://127.0.0.1/v1/notifications/certs/CERT-1",
  "file:///etc/passwd",
  "https://api.paypal.com/v1/notifications/certs/../../x",
  "https://api.paypal.com/v1/notifications/certs/CERT-1?x=https://evil.tld",
  "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
  "https://api.p\u00e1ypal.com/v1/notifications/certs/CERT-1",
  "javascript:alert(1)",
  "",
  "//api.paypal.com/v1/notifications/certs/CERT-1"
].map((url) => ({
  name: `certificate at ${url === "" ? "nowhere" : url}`,
  request: changed(() => ({ "paypal-cert-url": url })),
  ...unverified
}))

/** The genuine certificate, by another way. */
const detours: ReadonlyArray<Case> = (
  [
    ["with a user", (url) => url.replace("://", "://a:b@")],
    ["at another port", (url) => url.replace(/:\d+\//, ":80/")],
    ["with a fragment", (url) => `${url}#x`],
    ["with dots behind percent signs", (url) => `${url}%2e%2e`],
    ["with a tab in the path", (url) => url.replace("/certs/", "/ce\trts/")],
    ["with a backslash", (url) => url.replace("/v1/", "\\v1/")],
    ["in capital letters", (url) => url.replace("http", "HTTP")]
  ] as ReadonlyArray<readonly [string, (url: string) => string]>
).map(([name, change]) => ({
  name: `the certificate ${name}`,
  request: changed((h) => ({ "paypal-cert-url": change(h["paypal-cert-url"]!) })),
  ...unverified
}))

const quarantined = { status: 200, word: "quarantined", rows: ["failed not_json_object"] }
const parked = { status: 200, word: "parked", rows: ["failed uninterpretable"] }
const processed = { status: 200, word: "processed", rows: ["done"] }

const bodies: ReadonlyArray<Case> = [
  ...(
    [
      ["no byte", ""],
      ["null", "null"],
      ["a number", "0"],
      ["a text", '"x"'],
      ["a list", "[]"],
      ["a trailing comma", '{"id":"WH-1",}'],
      ["two documents", '{"id":"WH-1"}{"id":"WH-2"}'],
      ["NaN", '{"id":NaN}'],
      ["a byte order mark", '\uFEFF{"id":"WH-bom"}'],
      ["an id twice", '{"id":"WH-1","id":"WH-2"}'],
      ["__proto__", '{"id":"WH-1","__proto__":{"event_type":"X"}}'],
      ["constructor.prototype", '{"id":"WH-1","constructor":{"prototype":{"x":1}}}'],
      ["an unfinished text", '{"id":"WH-'],
      ["a control character in a text", '{"id":"WH-\u0001"}'],
      ["half a surrogate pair", '{"id":"WH-\\ud800"}'],
      ["a depth of 100,000", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
      ["lists 33 deep", `{"a":${"[".repeat(32)}${"]".repeat(32)}}`],
      ["an escaped __proto__", '{"id":"WH-1","\\u005f_proto__":{"x":1}}'],
      ["a key twice, once escaped, deep down", '{"id":"WH-1","r":{"a":1,"\\u0061":2}}'],
      ["20,000 keys", `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":1`).join(",")}}`]
    ] as const
  ).map(([name, text]) => ({ name: `signed: ${name}`, request: signed(`${text}`), ...quarantined })),
  {
    name: "signed: bytes that are no UTF-8 in the id",
    request: signed(() =>
      Buffer.concat([Buffer.from('{"id":"WH-'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
    ),
    ...quarantined
  },
  {
    name: "signed: a slash in two bytes of UTF-8",
    request: signed(() => Buffer.from('{"id":"WH-\xc0\xaf"}', "latin1")),
    ...quarantined
  },
  ...(
    [
      ["an empty object", () => Buffer.from("{}")],
      ["an id in another normal form", () => event(`WH-e\u0301${randomUUID()}`)],
      ["an id of spaces", () => event("  ")],
      ["a key named hasOwnProperty", () => event(`WH-${randomUUID()}`, { hasOwnProperty: 1, toString: 2 })],
      ["an event type that is __proto__", () => event(`WH-${randomUUID()}`, { event_type: "__proto__" })],
      ["an event type with NUL", () => event(`WH-${randomUUID()}`, { event_type: "A\u0000B" })],
      ["an id that is a number", () => event(7)],
      ["an id that is a list", () => event(["WH-1"])],
      ["an id that is an object", () => event({ toString: "x" })],
      ["an id that is true", () => event(true)],
      ["an id that is null", () => event(null)],
      ["an id of 5,000 characters", () => event("W".repeat(5_000))],
      ["an id with NUL", () => event("WH-\u0000")],
      [
        "an id with a line break and a false log line",
        () => event(`WH-\n{"event":"ALARM","n":"${randomUUID()}"}`)
      ],
      ["an id with an escape sequence", () => event(`WH-\u001b[31m${randomUUID()}`)],
      ["an id of SQL", () => event(`' OR 1=1-- ${randomUUID()}`)],
      ["an id that climbs", () => event(`../../${randomUUID()}`)],
      ["an id for a logger", () => event(`\${jndi:ldap://x/${randomUUID()}}`)],
      [
        "an event type of 10,000 characters",
        () => event(`WH-${randomUUID()}`, { event_type: "T".repeat(10_000) })
      ],
      ["an event type that is an object", () => event(`WH-${randomUUID()}`, { event_type: { a: 1 } })],
      [
        "a number of 100,000 digits",
        () => Buffer.from(`{"id":"WH-${randomUUID()}","n":${"9".repeat(100_000)}}`)
      ],
      [
        "a body right at the limit",
        () => {
          const start = `{"id":"WH-${randomUUID()}","pad":"`
          return Buffer.from(`${start}${"p".repeat(LIMIT - start.length - 2)}"}`)
        }
      ]
    ] as const
  ).map(([name, body]) => ({ name: `signed: ${name}`, request: signed(body), ...processed })),
  ...(
    [
      ["1e400", "1e400", parked],
      ["a text of words", '"ten"', parked],
      ["an object", "{}", parked],
      ["an exponent", '"1e3"', parked],
      ["an exponent without quotes", "1e2", parked],
      ["with a comma", '"1,00"', parked],
      ["with a space before it", '" 1.00"', parked],
      ["with a line break behind it", '"1.00\\n"', parked],
      ["with a plus", '"+1.00"', parked],
      ["hexadecimal", '"0x10"', parked],
      ["without a whole", '".5"', parked],
      ["of other digits", '"\u0661"', parked],
      ["of 21 digits", '"123456789012345678901"', parked],
      ["of nine decimals", '"1.123456789"', parked],
      ["true", "true", parked],
      ["null", "null", parked],
      // As the provider signed it: a consumer judges.
      ["-0", "-0", processed],
      ["a negative text", '"-10.00"', processed],
      ["three decimals of EUR", '"1.001"', processed]
    ] as const
  ).map(([name, value, expected]) => ({
    name: `signed: a capture whose amount is ${name}`,
    request: signed(() =>
      Buffer.from(
        `{"id":"WH-${randomUUID()}","event_type":"PAYMENT.CAPTURE.COMPLETED","create_time":"2026-01-01T00:00:00Z","resource_type":"capture","resource":{"id":"C${randomUUID()}","status":"COMPLETED","amount":{"value":${value},"currency_code":"EUR"}}}`
      )
    ),
    ...expected
  })),
  {
    name: "a body of one byte too many",
    request: signed(() => Buffer.from(`{"id":"${"p".repeat(LIMIT - 8)}"}`)),
    status: 413,
    word: "WEBHOOK_TOO_LARGE"
  },
  ...(
    [
      "",
      "null",
      "[]",
      '{"eventType":',
      "{}",
      '{"eventType":7}',
      '{"eventType":"PAYMENT_STATUS_CHANGED"}'
    ] as const
  ).map((text) => ({
    name: `unsigned at Toss: ${text === "" ? "no byte" : text}`,
    request: () => ({ path: TOSS, headers: [json], body: Buffer.from(text) }),
    status: 400,
    word: "WEBHOOK_INVALID_PAYLOAD"
  }))
]

/** Chunks as they are, with whatever stands around them. */
const chunks =
  (body: string, ...more: ReadonlyArray<readonly [string, string]>) =>
  () => ({
    path: TOSS,
    headers: [json, ["transfer-encoding", "chunked"], ...more] as const,
    body: Buffer.from(body)
  })
const end = "0\r\n\r\n"

const good = (providers: ProvidersUnderTest) => signed(fresh)(providers)
const http: ReadonlyArray<Case> = [
  ...["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "HEAD"].map((method) => ({
    name: `method ${method}`,
    request: (p: ProvidersUnderTest) => ({ ...good(p), method }),
    status: 405,
    word: method === "HEAD" ? "" : "WEBHOOK_METHOD_NOT_ALLOWED"
  })),
  ...[
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "",
    "application/jsonx"
  ].map((type) => ({
    name: `content type ${type === "" ? "empty" : type}`,
    request: changed(() => ({ "content-type": type })),
    status: 415,
    word: "WEBHOOK_UNSUPPORTED_TYPE"
  })),
  ...[
    "/webhooks/",
    "/webhooks/PayPal",
    "/webhooks/paypal%00",
    "/webhooks/paypal/../toss",
    "/webhooks/paypal/",
    "/webhooks/__proto__",
    "/webhooks/constructor",
    "/webhooks/%70aypal",
    "/webhooks/paypal;x=1",
    "/webhooks/paypal#x",
    `/webhooks/${"a".repeat(8_000)}`
  ].map((path) => ({
    name: `path ${path}`,
    request: (p: ProvidersUnderTest) => ({ ...good(p), path }),
    status: 404,
    word: "WEBHOOK_UNKNOWN_ENDPOINT"
  })),
  ...["/", "//webhooks/paypal", "http://evil.tld/webhooks/paypal", "/metrics", "/readyz?x=1"].map((path) => ({
    name: `path ${path}`,
    request: (p: ProvidersUnderTest) => ({ ...good(p), path }),
    status: 404,
    word: "NOT_FOUND"
  })),
  ...["gzip", "identity, gzip", "br", "chunked"].map((encoding) => ({
    name: `content encoding ${encoding}`,
    request: changed(() => ({ "content-encoding": encoding })),
    status: 415,
    word: "WEBHOOK_UNSUPPORTED_TYPE"
  })),
  ...["__proto__", "constructor", "hasOwnProperty", "toString"].map((name) => ({
    name: `a header called ${name}`,
    request: changed(() => ({ [name]: ["x", "y"] })),
    ...processed
  })),
  ...(
    [
      ["a size that is no number", chunks(`zz\r\n{}\r\n${end}`)],
      ["a size beyond all numbers", chunks(`ffffffffffffffffff\r\n{}\r\n${end}`)],
      ["lines that end in a line feed alone", chunks("2\n{}\n0\n\n")],
      ["another encoding behind it", chunks(end, ["transfer-encoding", "identity"])]
    ] as const
  ).map(([name, request]) => ({ name: `chunks: ${name}`, request, status: 400, word: "" })),
  ...(
    [
      ["an extension", chunks(`2;a=b;c="d"\r\n{}\r\n${end}`)],
      ["a signature behind them", chunks("2\r\n{}\r\n0\r\ntosspayments-webhook-signature: v1:x\r\n\r\n")]
    ] as const
  ).map(([name, request]) => ({
    name: `chunks: ${name}`,
    request,
    status: 400,
    word: "WEBHOOK_INVALID_PAYLOAD"
  })),
  ...["xchunked", "chunked, identity"].map((encoding) => ({
    name: `transfer encoding ${encoding}`,
    request: changed(() => ({ "transfer-encoding": encoding })),
    status: 400,
    word: ""
  })),
  ...["-1", "+2", "2, 2", "99999999999999999999"].map((length) => ({
    name: `content-length ${length}`,
    request: changed(() => ({ "content-length": length })),
    status: 400,
    word: ""
  })),
  {
    name: "a header with NUL",
    request: changed(() => ({ "x-bad": "a\0b" })),
    status: 400,
    word: ""
  },
  {
    name: "a header over two lines",
    request: changed(() => ({ "x-bad": "a\r\n b" })),
    status: 400,
    word: ""
  },
  {
    name: "a header of 17 kB",
    request: changed(() => ({ "x-long": "h".repeat(17_000) })),
    status: 431,
    word: ""
  },
  {
    name: "a header with a lone line feed",
    request: changed(() => ({ "x-bad": "a\nb: c" })),
    status: 400,
    word: ""
  },
  {
    name: "content-length of words",
    request: changed(() => ({ "content-length": "ten" })),
    status: 400,
    word: ""
  },
  { name: "two lengths", request: changed(() => ({ "content-length": ["5", "6"] })), status: 400, word: "" },
  {
    name: "a length and chunks",
    request: changed(() => ({ "content-length": "5", "transfer-encoding": "chunked" })),
    status: 400,
    word: ""
  },
  {
    name: "a length too small: the rest is no request",
    request: changed(() => ({ "content-length": "10" })),
    status: 400,
    word: ""
  }
]

export const cases: ReadonlyArray<Case> = [...signatures, ...certificates, ...detours, ...bodies, ...http]
