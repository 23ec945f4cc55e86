import { userInfo } from "node:os"
import { Effect, Option, Result, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { type Act, Actor, Reason } from "../domain/Events.ts"
import { CommandFailed } from "./CommandFailed.ts"

// What the commands about events have in common.

export const endpoint = Argument.String("ENDPOINT").pipe(
  Argument.withDescription("receiver, such as paypal or toss")
)
export const key = Argument.String("KEY").pipe(
  Argument.withDescription("dedup key, as `events list` shows it")
)
export const json = Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("for scripts"))
export const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDefault(false),
  Flag.withDescription("say what would be done, change nothing")
)
export const reason = Flag.String("reason").pipe(
  Flag.optional,
  Flag.withMetavar("TEXT"),
  Flag.withDescription("why: stands in the log for ever, so no customer's data; required")
)
export const by = Flag.String("by").pipe(
  Flag.optional,
  Flag.withMetavar("NAME"),
  Flag.withDescription("who acts (default: the user of the operating system)")
)
export const since = Flag.Date("since").pipe(
  Flag.optional,
  Flag.withMetavar("TIME"),
  Flag.withDescription("first seen at or after, such as 2025-11-28T10:00:00Z")
)
export const ofEndpoint = Flag.String("endpoint").pipe(
  Flag.optional,
  Flag.withDescription("of this receiver only")
)
export const code = Flag.String("code").pipe(
  Flag.optional,
  Flag.withDescription("with this error code, such as attempts_exhausted")
)

/** `failed` is another word for waiting for its next attempt. */
export const stateOf = (text: string) => (text === "failed" ? "retry_scheduled" : text)
export const choices = <const A extends string>(literals: ReadonlyArray<A>) =>
  [...literals, "failed"] as const

const osUser = () =>
  Result.getOrElse(
    Result.try(() => userInfo().username),
    () => "unknown"
  )

/** Who and why, as they will stand in the log. */
export const actOf = Effect.fnUntraced(function* (given: Option.Option<string>, why: Option.Option<string>) {
  const act = { by: Option.getOrElse(given, osUser), reason: Option.getOrElse(why, () => "") }
  if (!Schema.is(Reason)(act.reason))
    return yield* new CommandFailed({ message: "--reason is required: one line, at most 500 characters" })
  if (!Schema.is(Actor)(act.by))
    return yield* new CommandFailed({ message: "--by must be one line of at most 100 characters" })
  return act satisfies Act
})
