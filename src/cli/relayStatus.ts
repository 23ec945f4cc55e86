import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { relayStanding } from "../infra/rebase/relayStanding.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { dataDirFlag } from "./DevService.ts"
import { databaseUrlOf } from "./EventsOf.ts"
import { json } from "./eventFlags.ts"
import { kafkaOf } from "./KafkaOf.ts"
import { relayStatusText } from "./relayStatusText.ts"
import { database, unreachable } from "./Service.ts"

/** `oncegate relay status` */
export const relayStatus = Command.make(
  "status",
  { json, dataDir: dataDirFlag },
  Effect.fnUntraced(function* ({ dataDir, json }) {
    const found = yield* databaseUrlOf(dataDir)
    const kafka = yield* kafkaOf(dataDir, found.from)
    const standing = yield* relayStanding(kafka).pipe(
      Effect.provide(database({ databaseUrl: found.url })),
      Effect.catchTag("DatabaseError", (error) =>
        Effect.fail(
          error.code === "42P01" || error.code === "42703"
            ? new CommandFailed({ message: "the database lacks migrations: run `oncegate migrate`" })
            : unreachable(error)
        )
      )
    )
    yield* Console.log(json ? JSON.stringify(standing) : relayStatusText(standing))
  })
).pipe(
  Command.withDescription(
    "Where the relay stands: who is active, who stands by, what an alarm wants from you; the checkpoint in Postgres and in Kafka and whether " +
      "they agree; what waits, for how long, and how fast it goes. Looks only: fences nobody."
  ),
  Command.withShortDescription("Is the log on its way to Kafka?"),
  Command.withExamples([
    {
      command: "oncegate relay status",
      description: "of DATABASE_URL and KAFKA_BROKERS, else of `npm start`"
    },
    { command: "oncegate relay status --json | jq .verdict", description: "for a script" }
  ])
)
