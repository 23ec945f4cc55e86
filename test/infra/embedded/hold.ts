// Starts a server in a folder, says who guards it and where it is, a line each, and holds it until killed:
// `hold.ts postgres|kafka FOLDER docker|jars`.
import { Effect, Redacted } from "effect"
import * as EmbeddedKafka from "../../../src/infra/embedded/EmbeddedKafka.ts"
import * as EmbeddedPostgres from "../../../src/infra/embedded/EmbeddedPostgres.ts"
import { guardPid } from "../../../src/infra/embedded/Guard.ts"

const [part, folder = "", way] = process.argv.slice(2)
const started: Effect.Effect<string, unknown, import("effect/Scope").Scope> =
  part === "kafka"
    ? Effect.map(
        EmbeddedKafka.start({ folder, ways: [way === "docker" ? "docker" : "jars"] }),
        ({ brokers }) => brokers[0]!
      )
    : Effect.map(EmbeddedPostgres.start({ folder }), ({ url }) => Redacted.value(url))

setInterval(() => {}, 60_000)
await Effect.runPromise(
  Effect.scoped(
    started.pipe(
      Effect.tap((where) => Effect.sync(() => console.log(`${guardPid()}\n${where}`))),
      Effect.andThen(Effect.never)
    )
  )
)
