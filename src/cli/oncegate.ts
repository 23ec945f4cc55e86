import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Runtime } from "effect"
import { Command } from "effect/cli"
import { frames } from "../infra/telemetry/frames.ts"
import { audit } from "./audit.ts"
import { bomb } from "./bomb.ts"
import { dev } from "./dev.ts"
import { events } from "./events.ts"
import { explain } from "./explain.ts"
import { keys } from "./keys.ts"
import { lastWords } from "./lastWords.ts"
import { migrate } from "./migrate.ts"
import { relay } from "./relay.ts"
import { replay } from "./replay.ts"
import { serve } from "./serve.ts"
import { simulate } from "./simulate.ts"
import { status } from "./status.ts"

const oncegate = Command.make("oncegate").pipe(
  Command.withDescription("An idempotency gate for payment webhooks."),
  Command.withSubcommands([
    dev,
    serve,
    migrate,
    simulate,
    bomb,
    explain,
    status,
    events,
    audit,
    keys,
    relay,
    replay
  ])
)

/** Whatever a command ended with, as one clear line; a defect is named by class, without its message. */
const explained = (cause: Cause.Cause<unknown>) => {
  const reason = cause.reasons.find((one) => one._tag !== "Interrupt")
  if (reason === undefined) return
  const error = reason._tag === "Fail" ? reason.error : reason.defect
  const tagged = error as { readonly _tag?: unknown; readonly message?: unknown; readonly name?: unknown }
  // Help was printed already.
  if (tagged._tag === "ShowHelp") return
  process.stderr.write(
    reason._tag === "Fail" && typeof tagged._tag === "string"
      ? `oncegate: ${String(tagged.message || tagged._tag)}\n`
      : `oncegate: an unexpected fault (${String(tagged.name ?? typeof error)})\n${frames(error).join("\n")}\n`
  )
}

/** An orderly stop is no failure. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    ? onExit(0)
    : Runtime.defaultTeardown(exit, (code) => onExit(code === 0 ? Number(process.exitCode ?? 0) : code))

/** The command line as a process: one clear line on stderr and an exit code where a command fails. */
export const run = () => {
  lastWords()
  return oncegate.pipe(
    Command.run({ version: "0.1.0" }),
    Effect.tapCause((cause) => Effect.sync(() => explained(cause))),
    Effect.provide(NodeServices.layer)
  )
}
export const options = { teardown, disableErrorReporting: true } as const
