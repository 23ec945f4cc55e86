import { Clock, Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Rebase from "../infra/rebase/Rebase.ts"
import type { StartAt } from "../infra/rebase/StartAt.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag } from "./DevService.ts"
import { databaseUrlOf } from "./EventsOf.ts"
import { actOf, by, json, reason } from "./eventFlags.ts"
import { kafkaTrouble, neededKafkaOf } from "./KafkaOf.ts"
import { rebasedText, standingText } from "./rebaseText.ts"
import { database, unreachable } from "./Service.ts"

const startAtOf = Effect.fnUntraced(function* (
  given: Option.Option<string>
): Effect.fn.Return<StartAt | null, CommandFailed> {
  if (Option.isNone(given)) return null
  const { value } = given
  if (value === "kafka" || value === "postgres") return value
  if (/^\d{1,15}$/.test(value)) return Number(value)
  return yield* new CommandFailed({ message: "--from takes kafka, postgres or a position of the log" })
})

const progress = Effect.acquireRelease(
  Effect.sync(() => {
    const isTTY = process.stderr.isTTY === true
    const counts: Record<Rebase.Phase, number> = { reading: 0, publishing: 0 }
    let phase: Rebase.Phase = "reading"
    const draw = () => {
      const line = `rebase: ${phase}, ${counts[phase].toLocaleString("en")} records`
      process.stderr.write(isTTY ? `\r\u001b[K${line}` : `${line}\n`)
    }
    const timer = setInterval(draw, isTTY ? 200 : 15_000)
    return {
      on: (now: Rebase.Phase, records: number) => {
        phase = now
        counts[now] += records
      },
      end: () => {
        clearInterval(timer)
        if (isTTY) process.stderr.write("\r\u001b[K")
      }
    }
  }),
  ({ end }) => Effect.sync(end)
)

/** `oncegate relay rebase` */
export const rebase = Command.make(
  "rebase",
  {
    from: Flag.String("from").pipe(
      Flag.optional,
      Flag.withMetavar("kafka|postgres|POSITION"),
      Flag.withDescription(
        "from where on the log is compared with the topics: kafka (default) = all of it; postgres = behind its checkpoint; a position. Given, it is done even where nothing is refused"
      )
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withDefault(false),
      Flag.withDescription("do it; without, only say what was found and what would be done")
    ),
    reason,
    by,
    json,
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* (flags) {
    const startAt = yield* startAtOf(flags.from)
    const act = flags.yes ? yield* actOf(flags.by, flags.reason) : null
    const found = yield* databaseUrlOf(flags.dataDir)
    const kafka = yield* neededKafkaOf(flags.dataDir, found.from)
    const nowMs = yield* Clock.currentTimeMillis
    const result = yield* Effect.scoped(
      Effect.gen(function* () {
        const options = { kafka, startAt, nowMs, onProgress: (yield* progress).on }
        return yield* act === null ? Rebase.plan(options) : Rebase.apply(options, act)
      })
    ).pipe(
      Effect.provide(database({ databaseUrl: found.url })),
      Effect.catchTags({
        DatabaseError: (error) =>
          Effect.fail(
            error.code === "42P01" || error.code === "42703"
              ? new CommandFailed({ message: "the database lacks migrations: run `oncegate migrate`" })
              : error.statement.startsWith("rebase")
                ? new CommandFailed({
                    message: `the rebase broke off: ${error.message}; nothing is lost, run it again`
                  })
                : unreachable(error)
          ),
        KafkaFailed: (error) => Effect.fail(kafkaTrouble(error)),
        LeadershipLost: () =>
          Effect.fail(
            new CommandFailed({
              message: "the rebase broke off: the session with the lock is gone; run it again"
            })
          ),
        PoolerRefused: () =>
          Effect.fail(
            new CommandFailed({
              message: "DATABASE_URL leads through a transaction-pooling PgBouncer: give a direct connection"
            })
          ),
        EndpointUnknown: ({ endpoint }) =>
          Effect.fail(
            new CommandFailed({
              message: `the rebase broke off: endpoint ${endpoint} has facts in the log and no row in webhook_endpoints`
            })
          ),
        LogVersionUnknown: ({ position, type, version }) =>
          Effect.fail(
            new CommandFailed({
              message: `the rebase broke off: position ${position} holds ${type} version ${version}: use a newer oncegate`
            })
          )
      })
    )
    if (flags.json) return yield* Console.log(JSON.stringify({ dry_run: act === null, ...result }))
    if (result.comparison === null)
      return yield* Console.log(
        `nothing to mend: the two halves of the checkpoint agree\n\n${standingText(result.diagnosis)}`
      )
    yield* Console.log(rebasedText(result, act !== null))
    yield* Console.log(
      act === null
        ? "\ndry run: nothing was changed. Make sure that no other database publishes to these topics, then: --yes --reason TEXT"
        : `\nrebased by ${act.by}: the relay goes on by itself. Look: oncegate relay status, oncegate audit`
    )
  })
).pipe(
  Command.withDescription(
    "Mends a checkpoint that the relay refuses: after a restore of Postgres, of Kafka or of both, another cluster, a lost offset. " +
      "Reads the topics and compares them with the log: what they hold is never published again, what they lack is published, and what only " +
      "they know is booked, so that no redelivery bills it twice. Says first what it would do; may be broken off and run again."
  ),
  Command.withShortDescription("Makes Postgres and Kafka agree again"),
  Command.withExamples([
    { command: "oncegate relay rebase", description: "what was found, and what each choice would do" },
    {
      command: 'oncegate relay rebase --yes --reason "Postgres restored to Tuesday 03:00"',
      description: "publish what the topics lack, and nothing else"
    },
    {
      command:
        'oncegate relay rebase --from 120000 --yes --reason "new cluster, history stays in the old one"',
      description: "everything up to position 120000 counts as published"
    }
  ])
)
