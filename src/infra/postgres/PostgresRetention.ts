import { Effect, Layer } from "effect"
import { StoreUnavailable } from "../../domain/GateStore.ts"
import { RetentionStore } from "../../domain/RetentionStore.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { dropOldestPartition } from "./dropLogStatement.ts"
import { type KeyPlace, purgeKeys, purgeTransmissions, sweepBodies } from "./retentionStatements.ts"
import { dismissUnconfirmed } from "./unconfirmedStatement.ts"

const unavailable = ({ code }: DatabaseError) => new StoreUnavailable({ code })
const BEGINNING: KeyPlace = { micros: "-62135596800000000", id: "0" }

/** Retention on PostgreSQL. */
export const layer = Layer.effect(
  RetentionStore,
  Effect.gen(function* () {
    const database = yield* Database
    const { claims } = database
    // Of a walk over the keys that is under way; a new one begins where the last one ended.
    let place = BEGINNING
    return RetentionStore.of({
      bodies: (afterMs, factless) => Effect.mapError(sweepBodies(claims, afterMs, factless), unavailable),
      unconfirmed: (afterMs) => Effect.mapError(dismissUnconfirmed(claims, afterMs), unavailable),
      keys: Effect.fnUntraced(function* (afterMs: number) {
        const swept = yield* Effect.mapError(purgeKeys(claims, afterMs, place), unavailable)
        place = swept.more ? swept.place : BEGINNING
        return swept
      }),
      transmissions: (afterMs) => Effect.mapError(purgeTransmissions(claims, afterMs), unavailable),
      log: (afterMs) =>
        dropOldestPartition(afterMs).pipe(
          Effect.provideService(Database, database),
          Effect.map((dropped) => ({ deleted: dropped ? 1 : 0, more: dropped })),
          Effect.mapError(unavailable)
        ),
      extend: Effect.asVoid(
        Effect.mapError(claims.query("log extend", "SELECT webhook_event_log_extend()"), unavailable)
      )
    })
  })
)
