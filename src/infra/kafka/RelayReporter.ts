import { randomUUID } from "node:crypto"
import { Clock, Effect, Layer } from "effect"
import { Database } from "../postgres/Database.ts"
import * as RelayReports from "../postgres/RelayReports.ts"
import { Relay } from "./Relay.ts"

/** Writes where the relay of this process stands into the database, now and then: `relay status` reads it anywhere. */
export const layer = (options: { readonly everyMs: number }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { claims } = yield* Database
      const { status } = yield* Relay
      const instance = randomUUID()
      let before = { records: 0, atMs: yield* Clock.currentTimeMillis }
      const report = Effect.gen(function* () {
        const { reason, records: counted, state } = yield* status
        const records = counted.events + counted.outcomes
        const atMs = yield* Clock.currentTimeMillis
        const rate = ((records - before.records) * 1000) / Math.max(1, atMs - before.atMs)
        before = { records, atMs }
        yield* RelayReports.write(claims, {
          instance,
          state,
          code: reason?.code ?? null,
          explanation: reason?.explanation ?? null,
          records,
          rate
        })
      })
      yield* Effect.addFinalizer(() => Effect.ignore(RelayReports.remove(claims, instance)))
      // Without its database the relay stands still anyway, and says so itself.
      yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(Effect.ignore(report), Effect.sleep(options.everyMs)))
      )
    })
  )
