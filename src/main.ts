import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Effect, Exit, Runtime } from "effect"
import { Command } from "effect/cli"
import { bomb } from "./cli/bomb.ts"
import { dev } from "./cli/dev.ts"
import { explain } from "./cli/explain.ts"
import { migrate } from "./cli/migrate.ts"
import { serve } from "./cli/serve.ts"
import { simulate } from "./cli/simulate.ts"
import { tolerate } from "./infra/postgres/driverFault.ts"

const oncegate = Command.make("oncegate").pipe(
  Command.withDescription("An idempotency gate for payment webhooks."),
  Command.withSubcommands([dev, serve, migrate, simulate, bomb, explain])
)

/** Whatever a command ended with, as one clear line; a defect is named by class, without its message. */
const explained = (cause: Cause.Cause<unknown>) => {
  const reason = cause.reasons.find((one) => one._tag !== "Interrupt")
  if (reason === undefined) return
  const error = reason._tag === "Fail" ? reason.error : reason.defect
  const tagged = error as { readonly _tag?: unknown; readonly message?: unknown }
  // Help was printed already.
  if (tagged._tag === "ShowHelp") return
  process.stderr.write(
    reason._tag === "Fail" && typeof tagged._tag === "string"
      ? `oncegate: ${String(tagged.message || tagged._tag)}\n`
      : `oncegate: an unexpected fault\n${Cause.pretty(cause)}\n`
  )
}

/** An orderly stop is no failure. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    ? onExit(0)
    : Runtime.defaultTeardown(exit, (code) => onExit(code === 0 ? Number(process.exitCode ?? 0) : code))

tolerate(() => process.stderr.write("oncegate: the database driver lost a socket; going on\n"))
oncegate.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.tapCause((cause) => Effect.sync(() => explained(cause))),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown, disableErrorReporting: true })
)
