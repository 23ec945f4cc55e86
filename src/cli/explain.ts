import { createHash } from "node:crypto"
import {
  Clock,
  Config,
  ConfigProvider,
  Console,
  Effect,
  FileSystem,
  Option,
  Redacted,
  Result,
  Schema
} from "effect"
import { Command, Flag } from "effect/cli"
import type { Delivery } from "../domain/Delivery.ts"
import { type Endpoint, EndpointName, type Environment } from "../domain/Endpoint.ts"
import { RequestHash } from "../domain/RequestHash.ts"
import * as PayPal from "../infra/providers/PayPal.ts"
import { parseObject } from "../infra/providers/StrictJson.ts"
import * as Toss from "../infra/providers/Toss.ts"
import { paymentUrl } from "../infra/providers/TossApi.ts"
import { isSigned, paymentNameOf, readEvent, tellsOfPayment } from "../infra/providers/TossEvent.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag, devFile } from "./DevService.ts"
import { explainDelivery, render } from "./Explanation.ts"

const KEY_RETENTION_MS = 400 * 86_400_000

const Headers = Schema.fromJsonString(
  Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Array(Schema.String)]))
)

const failed = (message: string) => () => new CommandFailed({ message })

const readDelivery = Effect.fnUntraced(function* (endpoint: Endpoint, headersFile: string, bodyFile: string) {
  const files = yield* FileSystem.FileSystem
  const text = yield* files
    .readFileString(headersFile)
    .pipe(Effect.mapError(failed(`Cannot read ${headersFile}.`)))
  const raw = yield* Schema.decodeUnknownEffect(Headers)(text).pipe(
    Effect.mapError(failed(`${headersFile} must be a JSON object of header names and values.`))
  )
  const headers: Record<string, ReadonlyArray<string>> = {}
  for (const [name, value] of Object.entries(raw)) {
    const key = name.toLowerCase()
    headers[key] = [...(headers[key] ?? []), ...(typeof value === "string" ? [value] : value)]
  }
  const body = yield* files.readFile(bodyFile).pipe(Effect.mapError(failed(`Cannot read ${bodyFile}.`)))
  const hash = RequestHash.make(createHash("sha256").update(body).digest("hex"))
  return { endpoint, headers, body, hash } satisfies Delivery
})

/** The given clock, but it is always `now`; waiting goes on in real time. */
const frozenAt = (clock: Clock.Clock, now: number): Clock.Clock => ({
  currentTimeMillisUnsafe: () => now,
  currentTimeMillis: Effect.succeed(now),
  currentTimeNanosUnsafe: () => BigInt(now) * 1_000_000n,
  currentTimeNanos: Effect.succeed(BigInt(now) * 1_000_000n),
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

const setting = (name: string) => Effect.orDie(Config.option(Config.String(name)))

/**
 * Settings of the environment; where it says nothing of this provider, those of a running `npm start`: a delivery of its
 * simulator is judged as that gate would judge it.
 */
const settingsFor = Effect.fnUntraced(function* (
  endpoint: string,
  webhookId: Option.Option<string>,
  dataDir: string
) {
  const given = yield* ConfigProvider.ConfigProvider
  const said = yield* setting(endpoint === "paypal" ? "PAYPAL_WEBHOOK_ID" : "TOSS_SECRET_KEY")
  if (Option.isSome(said) || Option.isSome(webhookId)) return given
  const dev = yield* devFile(dataDir)
  return dev?.environment === undefined
    ? given
    : ConfigProvider.orElse(given, ConfigProvider.fromEnvRecord(dev.environment))
})

interface Input {
  readonly headers: string
  readonly body: string
  readonly cert: Option.Option<string>
  readonly webhookId: Option.Option<string>
}

const explainPayPal = Effect.fnUntraced(function* (input: Input) {
  const files = yield* FileSystem.FileSystem
  const read = (path: string) =>
    files.readFileString(path).pipe(Effect.mapError(failed(`Cannot read ${path}.`)))
  const id = Option.isSome(input.webhookId) ? input.webhookId : yield* setting("PAYPAL_WEBHOOK_ID")
  if (Option.isNone(id)) {
    return yield* new CommandFailed({
      message: "The webhook id is part of what PayPal signs: give --webhook-id or set PAYPAL_WEBHOOK_ID."
    })
  }
  const name = EndpointName.make("paypal")
  const origin = yield* setting("PAYPAL_CERT_ORIGIN")
  const authority = yield* setting("PAYPAL_CA_FILE")
  const delivery = yield* readDelivery(
    { name, kind: "paypal", environment: "live" },
    input.headers,
    input.body
  )
  const url = delivery.headers["paypal-cert-url"]?.[0] ?? ""
  // Nothing is decided here, so the environment may be the one that the delivery says it is from.
  const environment: Environment = Option.isSome(origin)
    ? "simulated"
    : url.includes(".sandbox.")
      ? "sandbox"
      : "live"
  const provider = yield* PayPal.make({
    endpoint: { name, kind: "paypal", environment },
    webhookId: Redacted.make(id.value),
    ...(Option.isSome(origin) ? { certOrigin: origin.value } : {}),
    extraAnchors: Option.isSome(authority) ? [yield* read(authority.value)] : [],
    knownCertificates: new Map(Option.isSome(input.cert) ? [[url, yield* read(input.cert.value)]] : []),
    confirm: "never",
    apiOrigin: "https://api-m.paypal.com",
    keyRetentionMs: KEY_RETENTION_MS,
    // The real one needs the gate's master key, which has no business here.
    pseudonym: () => "{hmac-of-token}"
  })
  return yield* explainDelivery(provider, delivery, { wouldAsk: null, unsigned: false })
})

const explainToss = Effect.fnUntraced(function* (input: Input) {
  const endpoint: Endpoint = { name: EndpointName.make("toss"), kind: "toss", environment: "live" }
  const secretKey = yield* setting("TOSS_SECRET_KEY")
  const securityKeys = yield* setting("TOSS_SECURITY_KEYS")
  const apiOrigin = Option.getOrElse(yield* setting("TOSS_API_ORIGIN"), () => "https://api.tosspayments.com")
  const delivery = yield* readDelivery(endpoint, input.headers, input.body)
  const provider = yield* Toss.make({
    endpoint,
    secretKey: Redacted.make(Option.getOrElse(secretKey, () => "")),
    securityKeys: Option.match(securityKeys, {
      onNone: () => [],
      onSome: (keys) => keys.split(",").map((key) => Redacted.make(key.trim()))
    }),
    apiOrigin,
    places: 1,
    keyRetentionMs: KEY_RETENTION_MS
  })
  const event = Option.map(Result.getSuccess(parseObject(delivery.body)), readEvent)
  const question = Option.filter(event, tellsOfPayment).pipe(Option.map(paymentNameOf), Option.getOrUndefined)
  return yield* explainDelivery(provider, delivery, {
    wouldAsk: question !== undefined && Option.isNone(secretKey) ? paymentUrl(apiOrigin, question) : null,
    unsigned: !Option.exists(event, isSigned)
  })
})

/** `oncegate explain`: what the gate would do with a delivery, with no database. Exit code 1 where it would not take it. */
export const explain = Command.make(
  "explain",
  {
    endpoint: Flag.Literals("endpoint", ["paypal", "toss", "tosspayments"]).pipe(
      Flag.withDescription("the provider that the delivery claims to be from")
    ),
    headers: Flag.File("headers", { mustExist: true }).pipe(
      Flag.withDescription("JSON object of header names and values, as they came in")
    ),
    body: Flag.File("body", { mustExist: true }).pipe(
      Flag.withDescription("the raw body, byte for byte: reformatted JSON has another signature")
    ),
    cert: Flag.File("cert", { mustExist: true }).pipe(
      Flag.optional,
      Flag.withDescription(
        "PayPal's signing certificate (PEM), so that it is not fetched; its issuer is checked all the same"
      )
    ),
    webhookId: Flag.String("webhook-id").pipe(
      Flag.optional,
      Flag.withDescription(
        "PayPal's id of your webhook; WEBHOOK_ID for its simulator (default: PAYPAL_WEBHOOK_ID)"
      )
    ),
    at: Flag.Date("at").pipe(
      Flag.optional,
      Flag.withDescription("the time to judge by, for a delivery of long ago, such as 2025-11-28T10:00:30Z")
    ),
    dataDir: dataDirFlag,
    json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("machine readable"))
  },
  Effect.fn(function* ({ at, dataDir, endpoint, json, ...input }) {
    const clock = yield* Clock.Clock
    const settings = yield* settingsFor(endpoint, input.webhookId, dataDir)
    const told = yield* (endpoint === "paypal" ? explainPayPal(input) : explainToss(input)).pipe(
      Effect.scoped,
      Effect.provideService(ConfigProvider.ConfigProvider, settings),
      Effect.provideService(Clock.Clock, Option.isSome(at) ? frozenAt(clock, at.value.getTime()) : clock)
    )
    yield* Console.log(json ? JSON.stringify(told, null, 2) : render(told))
    if (told.answer !== 200) return yield* new CommandFailed({ message: told.in_words })
  })
).pipe(
  Command.withDescription(
    "Says what the gate would do with a delivery: verified or why not, dedup key, effect keys, billing events. Needs no database."
  ),
  Command.withExamples([
    {
      command:
        "oncegate explain --endpoint paypal --headers h.json --body b.json --cert c.pem --webhook-id WEBHOOK_ID --at 2025-11-28T10:00:30Z",
      description: "A delivery of PayPal's simulator, judged at the time it was sent"
    },
    {
      command: "oncegate explain --endpoint toss --headers h.json --body b.json --json",
      description: "A delivery of Toss Payments; with TOSS_SECRET_KEY set, its API is asked"
    }
  ])
)
