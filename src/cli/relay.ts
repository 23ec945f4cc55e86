import { Command } from "effect/cli"
import { rebase } from "./rebase.ts"
import { relayStatus } from "./relayStatus.ts"

/** `oncegate relay` */
export const relay = Command.make("relay").pipe(
  Command.withDescription("The process that copies the log to Kafka."),
  Command.withSubcommands([relayStatus, rebase])
)
