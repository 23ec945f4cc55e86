import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { read } from "../infra/config/Settings.ts"
import * as Logs from "../infra/telemetry/Logs.ts"
import { type Role, roles, StartRefused, start } from "./Service.ts"

const listOf = (text: string) =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

const known = Effect.fnUntraced(function* (flag: string, text: string) {
  const names = listOf(text)
  const wrong = names.find((name) => !(roles as ReadonlyArray<string>).includes(name))
  if (wrong !== undefined)
    return yield* new StartRefused({
      message: `--${flag} takes ${roles.join(", ")}: "${wrong}" is none of them`
    })
  return names as ReadonlyArray<Role>
})

/** Which roles are left, of all or of those named. */
const chosen = Effect.fnUntraced(function* (only: string, without: string) {
  const some = yield* known("only", only)
  const none = yield* known("without", without)
  const active = new Set((some.length > 0 ? some : roles).filter((role) => !none.includes(role)))
  if (active.size === 0)
    return yield* new StartRefused({ message: "--only and --without leave nothing to do" })
  return active
})

export const serve = Command.make(
  "serve",
  {
    only: Flag.String("only").pipe(
      Flag.withDefault(""),
      Flag.withDescription(`run only these roles, with commas: ${roles.join(", ")}`)
    ),
    without: Flag.String("without").pipe(
      Flag.withDefault(""),
      Flag.withDescription("run all roles but these")
    )
  },
  Effect.fnUntraced(function* ({ only, without }) {
    const active = yield* chosen(only, without)
    const settings = yield* Effect.try({
      try: () =>
        read(process.env, {
          relay: active.has("relay"),
          terminal: process.stdout.isTTY === true,
          defaultHost: "0.0.0.0"
        }),
      catch: (error) => error as Error
    })
    yield* Effect.scoped(
      Effect.gen(function* () {
        const { admin, ingress } = yield* start(settings, active)
        yield* Effect.annotateLogs(Effect.logInfo("SERVICE_STARTED"), {
          event: "SERVICE_STARTED",
          roles: [...active].join(","),
          ...(ingress === null ? {} : { ingress: ingress.url }),
          ...(admin === null ? {} : { admin: admin.url })
        })
        return yield* Effect.never
      })
    ).pipe(Effect.provide(Logs.layer({ format: settings.logFormat, level: settings.logLevel })))
  })
).pipe(
  Command.withDescription(
    "Production: ingress, relay, rescuer and admin. Starts no service of its own; configured by environment."
  ),
  Command.withExamples([
    { command: "oncegate serve", description: "all roles in one process" },
    { command: "oncegate serve --without relay", description: "a gate beside one that has the relay" },
    { command: "oncegate serve --only relay", description: "the relay alone" }
  ])
)
