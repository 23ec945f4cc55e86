import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import path from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { start } from "../../../src/infra/embedded/KeptPostgres.ts"
import { until } from "../../support/Gate.ts"
import { dataFolder } from "./Fixture.ts"

const listen = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => createServer()),
    (server) => Effect.sync(() => server.close())
  ).pipe(
    Effect.flatMap((server) =>
      until(
        () =>
          new Promise<boolean>((resolve) => {
            server.once("error", () => resolve(false))
            server.listen(port, "127.0.0.1", () => resolve(true))
          })
      )
    )
  )

it.live("a Postgres that comes back elsewhere is no good to those who know its port", () =>
  Effect.gen(function* () {
    const folder = yield* dataFolder
    const { tended, url } = yield* start({ folder })
    const [pid] = readFileSync(path.join(folder, "data", "postmaster.pid"), "utf8").split("\n")
    process.kill(Number(pid), "SIGKILL")
    yield* listen(Number(new URL(Redacted.value(url)).port))
    const { message } = yield* Effect.flip(tended)
    assert.include(message, "another process took its port")
  })
)
