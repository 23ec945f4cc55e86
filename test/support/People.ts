import { Effect, Layer, Redacted } from "effect"
import { DoneEvents } from "../../src/domain/DoneEvents.ts"
import { Events } from "../../src/domain/Events.ts"
import * as Custody from "../../src/infra/crypto/Custody.ts"
import * as Database from "../../src/infra/postgres/Database.ts"
import * as LogSignal from "../../src/infra/postgres/LogSignal.ts"
import * as PostgresDoneEvents from "../../src/infra/postgres/PostgresDoneEvents.ts"
import * as PostgresEvents from "../../src/infra/postgres/PostgresEvents.ts"

/** What a person has: connections of their own beside those of the gates, and the key of `openStore`. */
export const openEvents = (url: string) =>
  Effect.map(
    Layer.build(
      Layer.mergeAll(PostgresEvents.layer, PostgresDoneEvents.layer).pipe(
        Layer.provide([
          Database.layer({
            url: Redacted.make(url),
            claimConnections: 3,
            completionConnections: 1,
            statementTimeoutMs: 5_000
          }),
          Layer.fresh(LogSignal.layer),
          Custody.layer([{ id: "test", key: Redacted.make(new Uint8Array(32).fill(7)) }])
        ]),
        Layer.fresh
      )
    ),
    (context) => ({
      events: context.mapUnsafe.get(Events.key) as typeof Events.Service,
      done: context.mapUnsafe.get(DoneEvents.key) as typeof DoneEvents.Service
    })
  )
