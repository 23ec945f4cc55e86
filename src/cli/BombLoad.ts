import { readFile } from "node:fs/promises"
import { validateHeaderName, validateHeaderValue } from "node:http"
import { Effect, Result, Schema } from "effect"
import * as Cast from "../infra/simulator/Cast.ts"
import type { EndpointName } from "../infra/simulator/SimulatedEvent.ts"
import * as SimulatorClient from "../infra/simulator/SimulatorClient.ts"
import { newSeed } from "../infra/simulator/World.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { simulatorDir } from "./DevService.ts"

/** What the bomb sends, `n` times the same. */
export interface BombLoad {
  readonly endpoint: EndpointName | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const PLACEHOLDER = /REPLACE_WITH_[A-Z0-9_]+/
/** Of the captured connection, not of the delivery. */
const CONNECTION_HEADERS = [
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "expect",
  "keep-alive"
]

const headersOf = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))
)

const read = (path: string) =>
  Effect.tryPromise({
    try: () => readFile(path),
    catch: () => new CommandFailed({ message: `Cannot read ${path}` })
  })

const refusePlaceholder = (path: string, text: string) => {
  const found = PLACEHOLDER.exec(text)
  return found === null
    ? Effect.void
    : Effect.fail(
        new CommandFailed({
          message: `${path} still holds the placeholder ${found[0]}: put a captured value there`
        })
      )
}

const endpointOf = (headers: Readonly<Record<string, string>>): EndpointName | undefined => {
  const names = Object.keys(headers)
  if (names.some((name) => name.startsWith("paypal-"))) return "paypal"
  return names.some((name) => name.startsWith("tosspayments-")) ? "toss" : undefined
}

const isSendable = (name: string, value: string) => {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return true
  } catch {
    return false
  }
}

/** A captured delivery: the payload file's bytes as they are, and a JSON object of headers. */
export const fromFiles = Effect.fnUntraced(function* (payloadPath: string, headersPath: string) {
  const body = yield* read(payloadPath)
  if (body.length === 0) return yield* new CommandFailed({ message: `${payloadPath} is empty` })
  yield* refusePlaceholder(payloadPath, body.toString("latin1"))

  const text = (yield* read(headersPath)).toString("utf8")
  yield* refusePlaceholder(headersPath, text)
  const decoded = headersOf(text)
  if (Result.isFailure(decoded)) {
    return yield* new CommandFailed({
      message: `${headersPath} must be a JSON object of header names and texts`
    })
  }
  const headers: Record<string, string> = { "content-type": "application/json" }
  for (const [name, value] of Object.entries(decoded.success)) {
    if (!isSendable(name, value)) {
      return yield* new CommandFailed({
        message: `${headersPath}: this header cannot be sent: ${name.slice(0, 64)}`
      })
    }
    if (!CONNECTION_HEADERS.includes(name.toLowerCase())) headers[name.toLowerCase()] = value
  }
  return { endpoint: endpointOf(headers), headers, body } satisfies BombLoad
})

/** A fresh delivery of the simulator, whose API confirms it. */
export const fromSimulator = Effect.fnUntraced(
  function* (endpoint: EndpointName, dataDir: string) {
    const client = yield* SimulatorClient.connect(simulatorDir(dataDir))
    const act = Cast.oneEvent(client, endpoint, { seed: newSeed(), copies: 1, now: Date.now() })
    yield* client.deposit(act.payments, act.paypalEvents)
    const [event] = act.events
    return { endpoint, headers: event!.copies[0]!, body: event!.body } satisfies BombLoad
  },
  Effect.catchTag("SimulatorFailed", ({ message }) => Effect.fail(new CommandFailed({ message })))
)
