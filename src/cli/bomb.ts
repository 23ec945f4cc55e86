import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { salvo } from "../infra/simulator/Salvo.ts"
import type { EndpointName } from "../infra/simulator/SimulatedEvent.ts"
import { type BombLoad, fromFiles, fromSimulator } from "./BombLoad.ts"
import { bombText } from "./bombText.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag, ingressOf } from "./DevService.ts"
import { saveDelivery } from "./saveDelivery.ts"

export interface BombOptions {
  readonly url: Option.Option<string>
  readonly provider: Option.Option<EndpointName>
  readonly payload: Option.Option<string>
  readonly headers: Option.Option<string>
  readonly n: number
  readonly timeout: number
  readonly save: Option.Option<string>
  readonly dataDir: string
}

const loadOf = (options: BombOptions): Effect.Effect<BombLoad, CommandFailed> => {
  const { dataDir, headers, payload, provider } = options
  if (Option.isSome(payload) && Option.isSome(headers)) return fromFiles(payload.value, headers.value)
  return Option.isSome(payload) || Option.isSome(headers)
    ? Effect.fail(
        new CommandFailed({ message: "--payload and --headers belong together: give both or none" })
      )
    : fromSimulator(
        Option.getOrElse(provider, () => "paypal" as const),
        dataDir
      )
}

/** The address given; a bare one is completed by the endpoint's route. */
const targetOf = Effect.fnUntraced(function* (options: BombOptions, load: BombLoad) {
  const given = Option.getOrUndefined(options.url) ?? (yield* ingressOf(options.dataDir))
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return yield* new CommandFailed({
      message: "--url must be an http or https address, as http://127.0.0.1:8080/webhooks/paypal"
    })
  }
  if (url.pathname !== "/") return url
  const endpoint = Option.getOrUndefined(options.provider) ?? load.endpoint
  return endpoint === undefined
    ? yield* new CommandFailed({
        message: "Whose delivery is this? Give --provider, or --url with its whole path"
      })
    : new URL(`/webhooks/${endpoint}`, url)
})

/** Fires one delivery `n` times at the same moment and judges the answers. Fails where the verdict is FAIL. */
export const runBomb = Effect.fn("bomb")(function* (options: BombOptions) {
  const load = yield* loadOf(options)
  if (Option.isSome(options.save)) {
    const { headersPath, payloadPath } = yield* saveDelivery(options.save.value, load)
    return yield* Console.log(`Written, not sent: ${payloadPath} and ${headersPath}`)
  }
  const url = yield* targetOf(options, load)
  const received = yield* Effect.promise(() =>
    salvo(url, load.headers, load.body, options.n, options.timeout * 1000)
  )
  const { isPassed, reason, text } = bombText(url, load.body, received)
  yield* Console.log(text)
  if (!isPassed) return yield* new CommandFailed({ message: reason })
})

/** `oncegate bomb` */
export const bomb = Command.make(
  "bomb",
  {
    url: Flag.String("url").pipe(
      Flag.optional,
      Flag.withDescription("the webhook's address (default: the gate of `npm start`)")
    ),
    provider: Flag.Literals("provider", ["paypal", "toss"]).pipe(
      Flag.optional,
      Flag.withDescription("whose delivery; without files the simulator makes a fresh one (default paypal)")
    ),
    payload: Flag.String("payload").pipe(
      Flag.optional,
      Flag.withMetavar("FILE"),
      Flag.withDescription("body of a captured delivery; its bytes are sent as they are")
    ),
    headers: Flag.String("headers").pipe(
      Flag.optional,
      Flag.withMetavar("FILE"),
      Flag.withDescription("headers of the same delivery, a JSON object")
    ),
    n: Flag.Int("n").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
      Flag.withDefault(5),
      Flag.withDescription("deliveries at the same moment (default 5)")
    ),
    timeout: Flag.Finite("timeout").pipe(
      Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0.001, maximum: 3600 }))),
      Flag.withDefault(10),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("how long to wait for the answers (default 10)")
    ),
    save: Flag.String("save").pipe(
      Flag.optional,
      Flag.withMetavar("FOLDER"),
      Flag.withDescription("writes the simulator's delivery as payload and header file instead of sending it")
    ),
    dataDir: dataDirFlag
  },
  runBomb
).pipe(
  Command.withDescription(
    "The concurrency bomb: one webhook, N times at the same moment. Exit code 0 only if exactly one was processed, all " +
      "others were already processed, and nothing else happened. Shows hash and size of the payload, never its content."
  ),
  Command.withShortDescription("Sends one webhook N times at once"),
  Command.withExamples([
    {
      command: "oncegate bomb --provider toss",
      description: "a fresh delivery of the simulator, against `npm start`"
    },
    {
      command:
        "oncegate bomb --url https://gate.example/webhooks/paypal --payload ops/scripts/.local/webhook_payload.json --headers ops/scripts/.local/webhook_headers.json",
      description: "a captured delivery"
    }
  ])
)
