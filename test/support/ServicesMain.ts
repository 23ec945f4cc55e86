// Holds one Postgres and one Kafka for a run of tests. Each is started when the first test asks for it, over HTTP:
// GET /postgres and GET /kafka answer with where it is, or 503 and why there is none. Ends when its standard input does.
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import os from "node:os"
import path from "node:path"
import { Effect, Redacted, Result, Scope } from "effect"
import * as EmbeddedKafka from "../../src/infra/embedded/EmbeddedKafka.ts"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"
import * as Containers from "./Containers.ts"
import type { KafkaService, PostgresService } from "./Services.ts"

const say = (text: string) => Effect.sync(() => console.error(`[services for tests] ${text}`))

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const name = mkdtempSync(path.join(os.tmpdir(), "oncegate-test-"))
    chmodSync(name, 0o711) // as root, Postgres runs as another user and must be able to pass
    return name
  }),
  (name) => Effect.sync(() => rmSync(name, { recursive: true, force: true }))
)

/** The containers' way if it works; why it does not is said aloud, so that nobody takes the one for the other. */
const inContainer = <A>(start: Effect.Effect<A, string, Scope.Scope>) =>
  Effect.result(start).pipe(
    Effect.tap((result) =>
      Result.isFailure(result) ? say(`not by testcontainers: ${result.failure}`) : Effect.void
    )
  )

const postgres = Effect.fnUntraced(function* (folder: string) {
  const given = process.env.ONCEGATE_TEST_DATABASE_URL
  if (given) return { url: given, how: "environment" } satisfies PostgresService
  const container = yield* inContainer(Containers.postgres)
  if (Result.isSuccess(container)) {
    return { url: container.success, how: "testcontainers" } satisfies PostgresService
  }
  const { url } = yield* EmbeddedPostgres.start({ folder: path.join(folder, "postgres") })
  return { url: Redacted.value(url), how: "embedded" } satisfies PostgresService
})

const kafka = Effect.fnUntraced(function* (folder: string) {
  const given = process.env.ONCEGATE_TEST_KAFKA_BROKERS
  if (given) return { brokers: given.split(","), how: "environment" } satisfies KafkaService
  const container = yield* inContainer(Containers.kafka)
  if (Result.isSuccess(container)) {
    return { brokers: container.success, how: "testcontainers" } satisfies KafkaService
  }
  // Not by the Docker image: where Docker works the line above has done it.
  const { brokers } = yield* EmbeddedKafka.start({ folder: path.join(folder, "kafka"), ways: ["jars"] })
  return { brokers, how: "embedded" } satisfies KafkaService
})

const main = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const where = yield* folder
  const once = <A extends { readonly how: string }, E extends { readonly message: string }>(
    name: string,
    start: Effect.Effect<A, E, Scope.Scope>
  ) =>
    Effect.cached(
      start.pipe(
        Effect.tap(({ how }) => say(`${name}: ${how}`)),
        Scope.provide(scope)
      )
    )
  const parts: Record<string, Effect.Effect<unknown, { readonly message: string }>> = {
    "/postgres": yield* once("Postgres", postgres(where)),
    "/kafka": yield* once("Kafka", kafka(where))
  }
  const server = createServer((request, response) => {
    const part = parts[request.url ?? ""] ?? Effect.fail({ message: "ask for /postgres or /kafka" })
    Effect.runCallback(Effect.result(part), {
      onExit: (exit) => {
        const result = exit._tag === "Success" ? exit.value : Result.fail({ message: String(exit.cause) })
        response.statusCode = Result.isSuccess(result) ? 200 : 503
        response.end(Result.isSuccess(result) ? JSON.stringify(result.success) : result.failure.message)
      }
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close().closeAllConnections())
  )
  const address = server.address()
  if (typeof address === "object") console.log(`http://127.0.0.1:${address?.port}`)
  yield* Effect.callback<void>((resume) => {
    for (const event of ["end", "error"]) process.stdin.once(event, () => resume(Effect.void))
    process.stdin.resume()
    process.once("SIGTERM", () => resume(Effect.void))
    process.on("SIGINT", () => {}) // the tests end first and close the pipe
  })
})

await Effect.runPromise(Effect.scoped(main))
process.exit(0)
