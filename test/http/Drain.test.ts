import { connect } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { startGate, until } from "../support/Gate.ts"
import { Providers } from "../support/House.ts"

layer(Providers.layer, { excludeTestServices: true, timeout: "1 minute" })(
  "a gate that is told to end",
  (it) => {
    it.effect("says first that it is not ready, to whoever still holds a connection", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const gate = yield* startGate(yield* Providers).pipe(Scope.provide(scope))
        const { host, hostname, port } = new URL(gate.url)
        const socket = connect(Number(port), hostname)
        let heard = ""
        socket.on("data", (chunk) => {
          heard += chunk.toString()
        })
        const ask = () => socket.write(`GET /readyz HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
        ask()
        yield* until(async () => heard.includes('"ready"'))
        heard = ""
        const ending = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* until(async () => {
          if (!socket.destroyed) ask()
          return socket.destroyed || heard.includes("not ready")
        })
        socket.destroy()
        yield* Fiber.join(ending)
        assert.include(heard, "503")
        assert.include(heard, "not ready")
      })
    )
  }
)
