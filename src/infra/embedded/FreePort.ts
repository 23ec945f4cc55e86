import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { Effect } from "effect"

/** Listens for a moment: the port that was bound (`0` asks for any free one), or 0 when it is taken. */
const probe = (port: number) =>
  Effect.callback<number>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(0)))
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address()
      const bound = typeof address === "object" && address !== null ? address.port : 0
      server.close(() => resume(Effect.succeed(bound)))
    })
  })

/**
 * A free port on 127.0.0.1: the one remembered in `file` when nobody took it since, else a new one, remembered there.
 * Someone may take it before the server does; the caller then asks again.
 */
export const freePort = Effect.fnUntraced(function* (file?: string) {
  const before = yield* Effect.try(() => (file === undefined ? 0 : Number(readFileSync(file, "utf8")))).pipe(
    Effect.orElseSucceed(() => 0)
  )
  const kept = Number.isInteger(before) && before > 0 && before < 65_536 ? yield* probe(before) : 0
  const port = kept === 0 ? yield* probe(0) : kept
  if (file !== undefined) yield* Effect.ignore(Effect.try(() => writeFileSync(file, String(port))))
  return port
})
