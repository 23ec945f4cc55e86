import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { listen } from "../../src/http/Server.ts"

it.live("a request that the listener throws at is answered 500, and the next one is served", () =>
  Effect.gen(function* () {
    const { url } = yield* listen({ variable: "PORT", host: "127.0.0.1", port: 0 }, ({ url }, response) => {
      if (url === "/bad") throw new Error("a fault")
      response.end()
    })
    const status = (path: string) => Effect.promise(async () => (await fetch(`${url}${path}`)).status)
    assert.deepStrictEqual(
      [yield* status("/bad"), yield* status("/bad"), yield* status("/")],
      [500, 500, 200]
    )
  }).pipe(Effect.scoped)
)
