import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { Effect, Random, Schedule } from "effect"

/** Below the ports that systems give to outgoing connections (from 32768 on Linux), so that none of those takes it. */
const FIRST = 15_000
const LAST = 32_000

/** Listens for a moment, and fails when the port is taken. */
const probe = (port: number) =>
  Effect.callback<number, "taken">((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.fail("taken")))
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () =>
      server.close(() => resume(Effect.succeed(port)))
    )
  })

const someFreePort = Random.nextIntBetween(FIRST, LAST).pipe(
  Effect.flatMap(probe),
  Effect.retry({ times: 1_000 }),
  Effect.orDie
)

/**
 * A free port on 127.0.0.1: the one remembered in `file` when nobody took it since, else a new one, remembered there.
 * Someone may take it before the server does; the caller then asks again.
 */
export const freePort = Effect.fnUntraced(function* (file?: string) {
  const kept = yield* Effect.try(() => (file === undefined ? 0 : Number(readFileSync(file, "utf8")))).pipe(
    Effect.orElseSucceed(() => 0)
  )
  const isPort = Number.isInteger(kept) && kept > 0 && kept < 65_536
  // A server that was killed a moment ago may still hold its port.
  const again = probe(kept).pipe(Effect.retry({ times: 20, schedule: Schedule.spaced("50 millis") }))
  const port = yield* isPort ? Effect.catch(again, () => someFreePort) : someFreePort
  if (file !== undefined) yield* Effect.ignore(Effect.try(() => writeFileSync(file, String(port))))
  return port
})
