import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Exit, Option } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { audit } from "../../src/cli/audit.ts"
import { bomb } from "../../src/cli/bomb.ts"
import { events } from "../../src/cli/events.ts"
import { keys } from "../../src/cli/keys.ts"
import { relay } from "../../src/cli/relay.ts"
import { replay } from "../../src/cli/replay.ts"
import { simulate } from "../../src/cli/simulate.ts"
import { status } from "../../src/cli/status.ts"

const run = Command.runWith(
  Command.make("oncegate").pipe(
    Command.withSubcommands([simulate, bomb, events, status, audit, keys, relay, replay])
  ),
  {
    version: "0"
  }
)

/** A command as `main` runs it: what it printed, and the one line of its error where the exit code is 1. */
export const runCommand = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const exit = yield* Effect.exit(run(args))
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Exit.findErrorOption(exit)) : undefined
    return {
      exitCode: Exit.isSuccess(exit) ? 0 : 1,
      error: error === undefined ? "" : String(error.message),
      out: (yield* TestConsole.logLines).join("\n"),
      err: (yield* TestConsole.errorLines).join("\n")
    }
  }).pipe(Effect.provide([TestConsole.layer, NodeServices.layer]))
