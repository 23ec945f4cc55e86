import { Console, Effect, Layer } from "effect"
import { Command, Flag } from "effect/cli"
import { Policy } from "../domain/Policy.ts"
import { Providers } from "../domain/Provider.ts"
import * as Reinterpretation from "../domain/reinterpret.ts"
import { read } from "../infra/config/Settings.ts"
import * as Custody from "../infra/crypto/Custody.ts"
import * as LogSignal from "../infra/postgres/LogSignal.ts"
import * as PostgresDoneEvents from "../infra/postgres/PostgresDoneEvents.ts"
import * as Configured from "../infra/providers/Configured.ts"
import * as Logs from "../infra/telemetry/Logs.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag, devFile } from "./DevService.ts"
import { databaseUrlOf, explain } from "./EventsOf.ts"
import { actOf, by, dryRun, json, reason } from "./eventFlags.ts"
import { reinterpretedText } from "./eventsText.ts"
import { database, unreachable } from "./Service.ts"

/** Bodies are opened and providers asked: this needs what `serve` needs, or a running `npm start` that left it. */
const settingsOf = Effect.fnUntraced(function* (dataDir: string, from: "environment" | "dev") {
  const dev = from === "dev" ? yield* devFile(dataDir) : undefined
  return yield* Effect.try({
    try: () =>
      read(
        {
          ...dev?.environment,
          ...process.env,
          ...(dev === undefined ? {} : { DATABASE_URL: dev.database_url })
        },
        { relay: false, terminal: false, defaultHost: "127.0.0.1" }
      ),
    catch: (error) => error as Error
  })
})

const work = Effect.fnUntraced(function* (
  name: string,
  filter: { readonly eventType: string; readonly since: Date },
  act: Parameters<typeof Reinterpretation.reinterpret>[2]
) {
  const provider = (yield* Providers).get(name)
  if (provider === undefined)
    return yield* new CommandFailed({ message: `endpoint ${name} is not configured here` })
  return yield* Reinterpretation.reinterpret(provider, filter, act, (sums) =>
    Console.error(`${sums.booked} booked, ${sums.nothing_new} with nothing new`)
  )
})

/** `oncegate events reinterpret` */
export const reinterpret = Command.make(
  "reinterpret",
  {
    endpoint: Flag.String("endpoint").pipe(Flag.withDescription("receiver, such as paypal")),
    type: Flag.String("type").pipe(Flag.withDescription("the provider's event type")),
    since: Flag.Date("since").pipe(
      Flag.withMetavar("TIME"),
      Flag.withDescription("first seen at or after, such as 2025-11-28T10:00:00Z")
    ),
    reason,
    by,
    dryRun,
    json,
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* (options) {
    const act = options.dryRun ? ("dry run" as const) : yield* actOf(options.by, options.reason)
    const found = yield* databaseUrlOf(options.dataDir)
    const settings = yield* settingsOf(options.dataDir, found.from)
    const base = Layer.mergeAll(
      database({ databaseUrl: found.url }),
      Custody.layer(settings.masterKeys),
      Layer.fresh(LogSignal.layer),
      Layer.succeed(Policy, settings)
    )
    const layer = Layer.mergeAll(PostgresDoneEvents.layer, Configured.layer(settings)).pipe(
      Layer.provideMerge(base)
    )
    const sums = yield* work(options.endpoint, { eventType: options.type, since: options.since }, act).pipe(
      Effect.catchTag("StoreUnavailable", (error) => Effect.fail(explain(found)(error))),
      Effect.provide(layer),
      Effect.catchTag("DatabaseError", (error) => Effect.fail(unreachable(error))),
      Effect.provide(
        Logs.layer({ format: "pretty", level: "Warn", write: (text) => void process.stderr.write(text) })
      )
    )
    yield* Console.log(
      options.json
        ? JSON.stringify({ dry_run: options.dryRun, ...sums })
        : `${reinterpretedText(sums, options.dryRun)}${options.dryRun ? "\ndry run: nothing was changed" : ""}`
    )
    if (sums.conflict + sums.failed + sums.sealed > 0)
      return yield* new CommandFailed({
        message: "some events could not be reinterpreted: see the table; running it again is harmless"
      })
  })
).pipe(
  Command.withDescription(
    "Interprets done events of a type again that made no fact when they came, and books only facts with new effect keys: for a mapping that was added later. Reaches as far back as bodies are kept. Needs the configuration of `serve`."
  ),
  Command.withShortDescription("Books facts of done events for a mapping that was added later"),
  Command.withExamples([
    {
      command:
        "oncegate events reinterpret --endpoint paypal --type PAYMENT.ORDER.CREATED --since 2025-11-01 --dry-run",
      description: "how many events would book something"
    },
    {
      command:
        'oncegate events reinterpret --endpoint paypal --type PAYMENT.ORDER.CREATED --since 2025-11-01 --reason "mapping added in 1.3"'
    }
  ])
)
