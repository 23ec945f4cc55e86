import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import * as Cast from "../infra/simulator/Cast.ts"
import * as Courier from "../infra/simulator/Courier.ts"
import * as Expectation from "../infra/simulator/Expectation.ts"
import { play } from "../infra/simulator/Play.ts"
import { report } from "../infra/simulator/Report.ts"
import * as SeededRandom from "../infra/simulator/SeededRandom.ts"
import type { EndpointName } from "../infra/simulator/SimulatedEvent.ts"
import * as SimulatorClient from "../infra/simulator/SimulatorClient.ts"
import { newSeed } from "../infra/simulator/World.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag, ingressOf, pseudonymOf, simulatorDir } from "./DevService.ts"
import * as Progress from "./Progress.ts"
import { simulationText } from "./simulationText.ts"

export interface SimulateOptions {
  readonly url: Option.Option<string>
  readonly provider: "paypal" | "toss" | "all"
  readonly events: number
  readonly copies: number
  readonly concurrency: number
  readonly rate: Option.Option<number>
  readonly retry: number
  readonly seed: Option.Option<string>
  readonly expect: Option.Option<string>
  readonly dataDir: string
  readonly json: boolean
}

const REQUEST_TIME_LIMIT = 10_000

/** The address of an endpoint below the gate's own, whatever path that has. */
const targetsOf = Effect.fnUntraced(function* (base: string) {
  const url = URL.canParse(base) ? new URL(base) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return yield* new CommandFailed({
      message: `--url must be an http or https address, as http://127.0.0.1:8080`
    })
  const root = url.href.replace(/\/(webhooks(\/[a-z0-9_]*)?)?\/*$/, "")
  const targets = { paypal: new URL(`${root}/webhooks/paypal`), toss: new URL(`${root}/webhooks/toss`) }
  return (endpoint: EndpointName) => targets[endpoint]
})

const writeJson = (path: Option.Option<string>, value: unknown) =>
  Option.isNone(path)
    ? Effect.void
    : Effect.tryPromise({
        try: async () => {
          await mkdir(dirname(path.value), { recursive: true })
          await writeFile(path.value, `${JSON.stringify(value, null, 2)}\n`)
        },
        catch: () => new CommandFailed({ message: `Cannot write ${path.value}` })
      })

/** Plays the providers against a gate and judges its answers. Fails where the verdict is FAIL. */
export const runSimulation = Effect.fn("simulate")(
  function* (options: SimulateOptions) {
    const base = Option.getOrUndefined(options.url) ?? (yield* ingressOf(options.dataDir))
    const urlOf = yield* targetsOf(base)
    const client = yield* SimulatorClient.connect(simulatorDir(options.dataDir))
    const seed = Option.getOrElse(options.seed, newSeed)
    yield* Console.error(`seed ${seed}`)

    const providers: ReadonlyArray<EndpointName> =
      options.provider === "all" ? ["paypal", "toss"] : [options.provider]
    const pseudonym = yield* pseudonymOf(options.dataDir)
    const stories = Cast.stories(client, providers, options.events, {
      seed,
      copies: options.copies,
      now: Date.now(),
      ...(pseudonym === undefined ? {} : { pseudonym })
    })
    const events = stories.flatMap((story) => story.flatMap((act) => act.events))
    // Before anything is sent: a run that is cut short leaves behind what it wanted.
    yield* writeJson(options.expect, Expectation.planned(seed, events))

    const progress = yield* Progress.make(events.length * options.copies)
    const courier = yield* Effect.acquireRelease(
      Effect.sync(() => Courier.make(options.concurrency, REQUEST_TIME_LIMIT)),
      (open) => Effect.sync(open.close)
    )
    const { ms, told } = yield* play(stories, {
      urlOf,
      courier,
      deposit: client.deposit,
      concurrency: options.concurrency,
      retryMs: options.retry * 1000,
      random: SeededRandom.make(`${seed}/order`),
      onReceived: progress.step,
      ...(Option.isSome(options.rate) ? { rate: options.rate.value } : {})
    })
    progress.end()
    yield* writeJson(options.expect, Expectation.settled(seed, told))

    const result = report(seed, told, ms)
    yield* Console.log(options.json ? JSON.stringify({ url: base, ...result }) : simulationText(result))
    if (result.verdict === "FAIL") {
      return yield* new CommandFailed({
        message: `${result.failed.length} of ${result.events} events were not processed exactly once (seed ${seed})`
      })
    }
  },
  Effect.scoped,
  Effect.catchTag("SimulatorFailed", ({ message }) => Effect.fail(new CommandFailed({ message })))
)

const count = (name: string, minimum: number, maximum: number, value: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum }))),
    Flag.withDefault(value),
    Flag.withDescription(`${description} (default ${value})`)
  )

/** `oncegate simulate` */
export const simulate = Command.make(
  "simulate",
  {
    url: Flag.String("url").pipe(
      Flag.optional,
      Flag.withDescription(
        "address of the gate (default: the one of `npm start`, else http://127.0.0.1:8080)"
      )
    ),
    provider: Flag.Literals("provider", ["paypal", "toss", "all"]).pipe(
      Flag.withDefault("all" as const),
      Flag.withDescription("who speaks (default all)")
    ),
    events: count("events", 1, 1_000_000, 100, "events, over all providers"),
    copies: count("copies", 1, 1000, 3, "deliveries of each event"),
    concurrency: count("concurrency", 1, 4096, 16, "deliveries under way at once"),
    rate: Flag.Finite("rate").pipe(
      Flag.withSchema(Schema.Finite.check(Schema.isGreaterThan(0))),
      Flag.optional,
      Flag.withDescription("deliveries a second (default: as fast as answers come)")
    ),
    retry: Flag.Finite("retry").pipe(
      Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 86_400 }))),
      Flag.withDefault(0),
      Flag.withMetavar("SECONDS"),
      Flag.withDescription(
        "repeats a delivery that got no 200, as providers do, for so long (default 0: not at all)"
      )
    ),
    seed: Flag.String("seed").pipe(
      Flag.optional,
      Flag.withDescription("repeats a run: same events, same order (default: new each time, and printed)")
    ),
    expect: Flag.String("expect").pipe(
      Flag.optional,
      Flag.withMetavar("FILE"),
      Flag.withDescription("writes the keys, effects and amounts that must come out")
    ),
    dataDir: dataDirFlag,
    json: Flag.Boolean("json").pipe(
      Flag.withDefault(false),
      Flag.withDescription("prints one JSON object instead of the table")
    )
  },
  runSimulation
).pipe(
  Command.withDescription(
    "Plays PayPal and Toss against a gate: real formats, valid signatures of the simulator's own key, each event " +
      "delivered several times. Exit code 1 where an event was not processed exactly once."
  ),
  Command.withShortDescription("Plays payment providers against a gate"),
  Command.withExamples([
    {
      command: "oncegate simulate --provider all --events 200 --copies 3 --expect expected.json",
      description: "200 events, 600 deliveries, and a file of what must stand in Kafka"
    },
    {
      command: "oncegate simulate --seed 42 --rate 50",
      description: "the same run every time, 50 deliveries a second"
    }
  ])
)
