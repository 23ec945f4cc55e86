import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { type Replayed, replay as run } from "../infra/replay/Replay.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag } from "./DevService.ts"
import { databaseUrlOf, knownEndpoint } from "./EventsOf.ts"
import { dryRun, json, ofEndpoint } from "./eventFlags.ts"
import { kafkaTrouble, neededKafkaOf } from "./KafkaOf.ts"
import { database, unreachable } from "./Service.ts"

/** A position, or a time. */
const boundOf = Effect.fnUntraced(function* (flag: string, given: Option.Option<string>) {
  if (Option.isNone(given)) return { position: null, time: null }
  const { value } = given
  if (/^\d{1,15}$/.test(value)) return { position: Number(value), time: null }
  const time = /^\d{4}-\d{2}-\d{2}/.test(value) ? new Date(value) : undefined
  if (time === undefined || Number.isNaN(time.getTime()))
    return yield* new CommandFailed({
      message: `--${flag} takes a position of the log or a time such as 2025-11-28T10:00:00Z`
    })
  return { position: null, time: time.toISOString() }
})

const text = ({ before, facts, outcome, outcomes, published, run, topics }: Replayed) => {
  const range = `${facts} facts and ${outcomes} outcomes of the range`
  if (outcome === "dry_run")
    return `${range} would go to ${topics.join(" and ")}\ndry run: nothing was published`
  if (outcome === "done_before")
    return `${range} are in ${topics.join(" and ")} already: this very replay came to its end before (--again repeats it)`
  return [
    `${range} are in ${topics.join(" and ")}`,
    `${published} records published now${before === 0 ? "" : `, ${before} by an earlier call that was broken off`}; header oncegate-replay: ${run}`
  ].join("\n")
}

const progress = Effect.acquireRelease(
  Effect.sync(() => {
    const isTTY = process.stderr.isTTY === true
    let line = ""
    const draw = () => {
      if (line !== "") process.stderr.write(isTTY ? `\r\u001b[K${line}` : `${line}\n`)
    }
    const timer = setInterval(draw, isTTY ? 200 : 15_000)
    return {
      on: (done: number, total: number) => {
        const share = total === 0 ? 100 : Math.floor((done * 100) / total)
        line = `replay: ${done.toLocaleString("en")} of ${total.toLocaleString("en")} records (${share} %)`
      },
      end: () => {
        clearInterval(timer)
        if (isTTY) process.stderr.write("\r\u001b[K")
      }
    }
  }),
  ({ end }) => Effect.sync(end)
)

/** `oncegate replay` */
export const replay = Command.make(
  "replay",
  {
    from: Flag.String("from").pipe(
      Flag.optional,
      Flag.withMetavar("POSITION|TIME"),
      Flag.withDescription("first position, or time of the log's rows (default: the beginning of the log)")
    ),
    to: Flag.String("to").pipe(
      Flag.optional,
      Flag.withMetavar("POSITION|TIME"),
      Flag.withDescription("last position, or time before which (default: all that is published now)")
    ),
    endpoint: ofEndpoint,
    topicPrefix: Flag.String("topic-prefix").pipe(
      Flag.withDescription("of the topics that are written; made where they are missing")
    ),
    rate: Flag.Int("rate").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
      Flag.withDefault(2_000),
      Flag.withDescription("records a second at most (default 2000)")
    ),
    toLive: Flag.Boolean("to-live-topics").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "allow a prefix that a relay publishes to: every consumer there sees the records again"
      )
    ),
    again: Flag.Boolean("again").pipe(
      Flag.withDefault(false),
      Flag.withDescription("repeat a replay of this very range that came to its end")
    ),
    dryRun,
    json,
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* (flags) {
    const from = yield* boundOf("from", flags.from)
    const to = yield* boundOf("to", flags.to)
    if (!/^[A-Za-z0-9._-]{0,100}$/.test(flags.topicPrefix))
      return yield* new CommandFailed({
        message: "--topic-prefix takes letters, digits, '.', '_' and '-', at most 100"
      })
    const found = yield* databaseUrlOf(flags.dataDir)
    const kafka = yield* neededKafkaOf(flags.dataDir, found.from)
    yield* knownEndpoint(flags.dataDir, flags.endpoint)
    const replayed = yield* Effect.scoped(
      Effect.gen(function* () {
        return yield* run({
          kafka,
          prefix: flags.topicPrefix,
          toLive: flags.toLive,
          range: {
            endpoint: Option.getOrNull(flags.endpoint),
            fromPosition: from.position,
            toPosition: to.position,
            fromTime: from.time,
            toTime: to.time
          },
          rate: flags.rate,
          dryRun: flags.dryRun,
          again: flags.again,
          onProgress: (yield* progress).on
        })
      })
    ).pipe(
      Effect.provide(database({ databaseUrl: found.url })),
      Effect.catchTags({
        DatabaseError: (error) =>
          Effect.fail(
            error.statement.startsWith("replay ")
              ? new CommandFailed({
                  message: `the replay broke off: ${error.message}; run it again, it goes on`
                })
              : unreachable(error)
          ),
        KafkaFailed: (error) => Effect.fail(kafkaTrouble(error)),
        EndpointUnknown: ({ endpoint }) =>
          Effect.fail(
            new CommandFailed({
              message: `endpoint ${endpoint} has facts in the log and no row in webhook_endpoints`
            })
          ),
        LogVersionUnknown: ({ position, type, version }) =>
          Effect.fail(
            new CommandFailed({
              message: `position ${position} holds ${type} version ${version}: use a newer oncegate`
            })
          )
      })
    )
    yield* Console.log(flags.json ? JSON.stringify(replayed) : text(replayed))
  })
).pipe(
  Command.withDescription(
    "Publishes a range of the log once more for consumers that rebuild: the same records with the same ids in the same order, marked by the " +
      "header oncegate-replay, to topics under a prefix of their own. Broken off, the same command goes on where it stood, without a gap or a repeat."
  ),
  Command.withShortDescription("Republishes a range of the log"),
  Command.withExamples([
    {
      command: "oncegate replay --topic-prefix rebuild-2025-11. --endpoint paypal --dry-run",
      description: "how much it would be"
    },
    {
      command: "oncegate replay --from 2025-11-01 --to 2025-12-01 --topic-prefix rebuild-2025-11. --rate 500",
      description: "a month, slowly"
    }
  ])
)
