import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Events, type ListFilter, MAX_PAGE } from "../domain/Events.ts"
import { EventState } from "../domain/EventView.ts"
import { dataDirFlag } from "./DevService.ts"
import { knownEndpoint, withEvents } from "./EventsOf.ts"
import { choices, code, endpoint, json, key, ofEndpoint, since, stateOf } from "./eventFlags.ts"
import { detailText, pageText } from "./eventsText.ts"
import { dismiss, redrive } from "./redrive.ts"
import { reinterpret } from "./reinterpret.ts"

const list = Command.make(
  "list",
  {
    state: Flag.Literals("state", choices(EventState.literals)).pipe(
      Flag.optional,
      Flag.withDescription("in this state only; failed = retry_scheduled")
    ),
    endpoint: ofEndpoint,
    code,
    since,
    limit: Flag.Int("limit").pipe(
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: MAX_PAGE }))),
      Flag.withDefault(50),
      Flag.withDescription(`events on a page, at most ${MAX_PAGE} (default 50)`)
    ),
    cursor: Flag.String("cursor").pipe(
      Flag.optional,
      Flag.withDescription("the page after this one, as the page before it said")
    ),
    json,
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* (options) {
    const filter: ListFilter = {
      ...(Option.isSome(options.state)
        ? { state: stateOf(options.state.value) as typeof EventState.Type }
        : {}),
      ...(Option.isSome(options.endpoint) ? { endpoint: options.endpoint.value } : {}),
      ...(Option.isSome(options.code) ? { code: options.code.value } : {}),
      ...(Option.isSome(options.since) ? { since: options.since.value } : {})
    }
    yield* knownEndpoint(options.dataDir, options.endpoint)
    const page = yield* withEvents(
      options.dataDir,
      Events.use((events) =>
        events.list(filter, {
          limit: options.limit,
          ...(Option.isSome(options.cursor) ? { cursor: options.cursor.value } : {})
        })
      )
    )
    yield* Console.log(options.json ? JSON.stringify(page) : pageText(page))
  })
).pipe(
  Command.withDescription("Lists events, newest first. Never shows a body."),
  Command.withExamples([
    { command: "oncegate events list --state parked", description: "what waits for a person" },
    {
      command: "oncegate events list --state unconfirmed --endpoint toss --since 2025-11-28T10:00:00Z --json",
      description: "what the provider's API does not know, for a script"
    }
  ])
)

const show = Command.make(
  "show",
  { endpoint, key, json, dataDir: dataDirFlag },
  Effect.fnUntraced(function* (options) {
    const detail = yield* withEvents(
      options.dataDir,
      Events.use((events) => events.show({ endpoint: options.endpoint, dedupKey: options.key }))
    )
    yield* Console.log(options.json ? JSON.stringify(detail) : detailText(detail))
  })
).pipe(
  Command.withDescription("Shows one event: its state, its billing facts and its log. Never its body."),
  Command.withExamples([{ command: "oncegate events show paypal ev_WH-7Y7254563A4550640-11V2185806837105M" }])
)

/** `oncegate events` */
export const events = Command.make("events").pipe(
  Command.withDescription("What happened to webhooks, and what a person can do about it."),
  Command.withSubcommands([list, show, redrive, dismiss, reinterpret])
)
