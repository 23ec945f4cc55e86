import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { type Act, Events, type OpenFilter } from "../domain/Events.ts"
import { OpenState } from "../domain/EventView.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag } from "./DevService.ts"
import { withEvents } from "./EventsOf.ts"
import {
  actOf,
  by,
  choices,
  code,
  dryRun,
  endpoint,
  json,
  key,
  ofEndpoint,
  reason,
  since,
  stateOf
} from "./eventFlags.ts"
import { countText } from "./eventsText.ts"

const redriveOne = (dataDir: string, name: { endpoint: string; dedupKey: string }, act: Act) =>
  withEvents(
    dataDir,
    Events.use((events) => events.redrive(name, act))
  )

/** One run after the other until the filter finds no more; each batch stands when the next begins. */
const redriveAll = Effect.fnUntraced(function* (filter: OpenFilter, act: Act) {
  const events = yield* Events
  const total = (yield* events.count(filter)).reduce((sum, { count }) => sum + count, 0)
  const sums = { matched: total, redriven: 0, skipped: 0 }
  let cursor: string | undefined
  do {
    const run = yield* events.redriveMany(filter, act, cursor)
    sums.redriven += run.redriven
    sums.skipped += run.skipped
    cursor = run.cursor ?? undefined
    if (cursor !== undefined) yield* Console.error(`${sums.redriven} of about ${total} re-driven`)
  } while (cursor !== undefined)
  return sums
})

/** `oncegate events redrive` */
export const redrive = Command.make(
  "redrive",
  {
    endpoint: endpoint.pipe(Argument.optional),
    key: key.pipe(Argument.optional),
    state: Flag.Literals("state", choices(OpenState.literals)).pipe(
      Flag.optional,
      Flag.withDescription("in bulk: all events in this state; failed = retry_scheduled")
    ),
    ofEndpoint,
    code,
    since,
    reason,
    by,
    dryRun,
    json,
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* (options) {
    const { dataDir } = options
    if (Option.isSome(options.endpoint) && Option.isSome(options.key)) {
      if (Option.isSome(options.state))
        return yield* new CommandFailed({ message: "one event by its key, or many by --state: not both" })
      const name = { endpoint: options.endpoint.value, dedupKey: options.key.value }
      const act = yield* actOf(options.by, options.reason)
      if (options.dryRun) {
        const { state } = yield* withEvents(
          dataDir,
          Events.use((events) => events.show(name))
        )
        const refused = state === "done" || state === "processing"
        return yield* Console.log(`${refused ? "would be refused" : "would be re-driven"}: it is ${state}`)
      }
      yield* redriveOne(dataDir, name, act)
      return yield* Console.log(
        options.json
          ? JSON.stringify({ redriven: 1, ...name })
          : `re-driven: ${name.dedupKey} is due now, by ${act.by}`
      )
    }
    if (Option.isSome(options.endpoint) || Option.isNone(options.state))
      return yield* new CommandFailed({
        message: "say which: `redrive ENDPOINT KEY`, or in bulk with --state (see --help)"
      })
    const filter: OpenFilter = {
      state: stateOf(options.state.value) as OpenFilter["state"],
      ...(Option.isSome(options.ofEndpoint) ? { endpoint: options.ofEndpoint.value } : {}),
      ...(Option.isSome(options.code) ? { code: options.code.value } : {}),
      ...(Option.isSome(options.since) ? { since: options.since.value } : {})
    }
    if (options.dryRun) {
      const found = yield* withEvents(
        dataDir,
        Events.use((events) => events.count(filter))
      )
      return yield* Console.log(
        options.json
          ? JSON.stringify({ dry_run: true, found })
          : `${countText(found)}\ndry run: nothing was changed`
      )
    }
    const act = yield* actOf(options.by, options.reason)
    const sums = yield* withEvents(dataDir, redriveAll(filter, act))
    yield* Console.log(
      options.json
        ? JSON.stringify({ dry_run: false, ...sums })
        : `${sums.redriven} re-driven by ${act.by}${
            sums.skipped === 0 ? "" : `, ${sums.skipped} moved on meanwhile and were left alone`
          }`
    )
  })
).pipe(
  Command.withDescription(
    "Gives failed or parked events to the gate again, due at once and with their attempts at 0; one by its key, or many by a filter. Cut short, run it again. A done event is refused."
  ),
  Command.withShortDescription("Processes failed or parked events again"),
  Command.withExamples([
    {
      command: 'oncegate events redrive paypal ev_WH-1 --reason "certificate mended"',
      description: "one event"
    },
    {
      command: "oncegate events redrive --state parked --endpoint toss --since 2025-11-28 --dry-run",
      description: "how many it would be"
    },
    {
      command:
        'oncegate events redrive --state unconfirmed --endpoint toss --reason "the secret key was wrong"',
      description: "all of them"
    }
  ])
)

/** `oncegate events dismiss` */
export const dismiss = Command.make(
  "dismiss",
  { endpoint, key, reason, by, json, dataDir: dataDirFlag },
  Effect.fnUntraced(function* (options) {
    const act = yield* actOf(options.by, options.reason)
    const name = { endpoint: options.endpoint, dedupKey: options.key }
    yield* withEvents(
      options.dataDir,
      Events.use((events) => events.dismiss(name, act))
    )
    yield* Console.log(
      options.json
        ? JSON.stringify({ dismissed: 1, ...name })
        : `dismissed: ${name.dedupKey} is done and booked nothing, by ${act.by}`
    )
  })
).pipe(
  Command.withDescription("Ends a failed or parked event for good, without booking anything."),
  Command.withExamples([
    { command: 'oncegate events dismiss toss pkey_a:DONE:b --reason "forged: Toss support confirms"' }
  ])
)
