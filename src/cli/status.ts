import { Console, Effect, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import { Events } from "../domain/Events.ts"
import { dataDirFlag } from "./DevService.ts"
import { withEvents } from "./EventsOf.ts"
import { json } from "./eventFlags.ts"
import { statusText } from "./statusText.ts"

const EVERY_MS = 2_000
/** Cursor home and everything below it away. */
const CLEAR = "\u001b[H\u001b[J"

/** `oncegate status` */
export const status = Command.make(
  "status",
  {
    json,
    watch: Flag.Boolean("watch").pipe(
      Flag.withDefault(false),
      Flag.withDescription("again every two seconds, until Ctrl-C; with --json one line each")
    ),
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* (options) {
    const { isTTY } = process.stdout
    const look = Effect.gen(function* () {
      const now = yield* (yield* Events).status
      if (options.json) return yield* Console.log(JSON.stringify(now))
      yield* Console.log(
        options.watch ? `${isTTY ? CLEAR : ""}${now.at}\n\n${statusText(now)}` : statusText(now)
      )
    })
    yield* withEvents(options.dataDir, options.watch ? Effect.repeat(look, Schedule.spaced(EVERY_MS)) : look)
  })
).pipe(
  Command.withDescription(
    "Is all well, and what wants a person? By endpoint: oldest event not done, parked, unconfirmed, retrying, in flight, log not yet published; and the relay."
  ),
  Command.withExamples([
    { command: "oncegate status --watch", description: "beside a running service" },
    {
      command: "oncegate status --json | jq '.endpoints[] | {endpoint, parked}'",
      description: "for a script"
    }
  ])
)
