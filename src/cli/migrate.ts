import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Migrations from "../infra/postgres/Migrations.ts"
import { dataDirFlag } from "./DevService.ts"
import { databaseUrlOf } from "./EventsOf.ts"
import { database, StartRefused, unreachable } from "./Service.ts"

export const migrate = Command.make(
  "migrate",
  {
    status: Flag.Boolean("status").pipe(
      Flag.withDefault(false),
      Flag.withDescription("list migrations, change nothing")
    ),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDefault(false),
      Flag.withDescription("say what would be applied")
    ),
    dataDir: dataDirFlag
  },
  Effect.fnUntraced(function* ({ dataDir, dryRun, status }) {
    const { url } = yield* databaseUrlOf(dataDir)
    yield* Effect.gen(function* () {
      if (status || dryRun) {
        const all = yield* Migrations.status
        for (const { name, state } of all)
          if (status || state === "pending")
            yield* Console.log(`${dryRun ? "would apply" : state.padEnd(8)} ${name}`)
        if (dryRun && all.every(({ state }) => state === "applied")) yield* Console.log("nothing is pending")
        return
      }
      const applied = yield* Migrations.migrate
      for (const name of applied) yield* Console.log(`applied  ${name}`)
      yield* Console.log(applied.length === 0 ? "nothing was pending" : `${applied.length} applied`)
    }).pipe(
      Effect.provide(database({ databaseUrl: url })),
      Effect.catchTag("DatabaseError", (error) =>
        Effect.fail(
          error.statement.startsWith("migration ")
            ? new StartRefused({
                message: `${error.statement} failed (${error.code}) and was undone: see the database's log`
              })
            : unreachable(error)
        )
      )
    )
  })
).pipe(
  Command.withDescription(
    "Applies pending migrations to DATABASE_URL, or the database of a running `npm start`; safe to run by several starts at once."
  ),
  Command.withExamples([
    { command: "oncegate migrate --status", description: "what is applied and what is pending" }
  ])
)
