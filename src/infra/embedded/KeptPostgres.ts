import { Effect, Redacted } from "effect"
import { EmbeddedFailed } from "./EmbeddedFailed.ts"
import * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import { keep } from "./Kept.ts"
import { isRunning } from "./LocalProcess.ts"

/** Starts Postgres. `tended` starts it again whenever it was killed, and fails where that cannot be. */
export const start = Effect.fnUntraced(function* (options: Parameters<typeof EmbeddedPostgres.start>[0]) {
  let known: string | undefined
  const { first, tend } = yield* keep({
    name: "Postgres",
    start: Effect.gen(function* () {
      const started = yield* EmbeddedPostgres.start(options)
      known ??= Redacted.value(started.url)
      if (known === Redacted.value(started.url)) return started
      return yield* new EmbeddedFailed({
        part: "postgres",
        reason: "PostgreSQL was gone, and another process took its port",
        advice: "Start again: it has another one now"
      })
    }),
    isUp: ({ server }) => Effect.sync(() => isRunning(server))
  })
  return { url: first.url, tended: Effect.forever(tend) }
})
