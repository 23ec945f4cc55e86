import { spawn } from "node:child_process"
import { readFileSync, truncateSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { until } from "../support/Gate.ts"
import { ended } from "../support/ServeProcess.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

/** `dev` in a folder of its own, beside a Kafka that is not there. */
const started = Effect.fnUntraced(function* (folder: string) {
  const args = "Deno" in globalThis ? ["run", "-A", main, "dev"] : [main, "dev"]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, args, {
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          ONCEGATE_DATA_DIR: folder,
          KAFKA_BROKERS: "127.0.0.1:1",
          PORT: "0"
        },
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  let output = ""
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString()
    })
  yield* until(async () => output.includes("Ready.") || child.exitCode !== null)
  return { child, output: () => output }
})

it.live(
  "`dev` starts a Postgres that was killed again, and ends with the reason where it cannot",
  () =>
    Effect.gen(function* () {
      const folder = yield* dataFolder
      const { child, output } = yield* started(folder)
      const data = path.join(folder, "postgres", "data")
      const kill = () =>
        process.kill(
          Number(readFileSync(path.join(data, "postmaster.pid"), "utf8").split("\n")[0]),
          "SIGKILL"
        )
      const { ingress } = JSON.parse(readFileSync(path.join(folder, "dev.json"), "utf8"))
      const isReady = () => fetch(`${ingress}/readyz`).then(({ status }) => status === 200)

      yield* until(isReady)
      kill()
      yield* until(async () => !(await isReady()))
      yield* until(isReady)
      assert.match(output(), /Postgres is gone: it is started again[\s\S]*Postgres is back/)
      assert.isNull(child.exitCode)

      truncateSync(path.join(data, "global", "pg_control"))
      kill()
      assert.strictEqual(yield* Effect.promise(() => ended(child)), 1)
      assert.match(output(), /^oncegate: PostgreSQL ended while starting: .*pg_control.*Its log is /m)
    }),
  60_000
)
