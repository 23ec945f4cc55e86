import { Effect, Layer } from "effect"
import { StoreUnavailable } from "../../domain/GateStore.ts"
import { RetentionStore } from "../../domain/RetentionStore.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { dropOldestPartition } from "./dropLogStatement.ts"
import { type KeyPlace, purgeKeys, purgeTransmissions, sweepBodies } from "./retentionStatements.ts"
import { dismissUnconfirmed } from "./unconfirmedStatement.ts"

/** A deadlock with somebody else's upkeep changes nothing: the batch is done again. */
const settled = <A>(batch: Effect.Effect<A, DatabaseError>) =>
  batch.pipe(
    Effect.retry({ while: ({ fate }) => fate === "repeat", times: 5 }),
    Effect.mapError(({ code }) => new StoreUnavailable({ code }))
  )
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
      bodies: (afterMs, factless) => settled(sweepBodies(claims, afterMs, factless)),
      unconfirmed: (afterMs) => settled(dismissUnconfirmed(claims, afterMs)),
      keys: Effect.fnUntraced(function* (afterMs: number) {
        const swept = yield* settled(purgeKeys(claims, afterMs, place))
        place = swept.more ? swept.place : BEGINNING
        return swept
      }),
      transmissions: (afterMs) => settled(purgeTransmissions(claims, afterMs)),
      log: (afterMs) =>
        dropOldestPartition(afterMs).pipe(
          Effect.provideService(Database, database),
          Effect.map((dropped) => ({ deleted: dropped ? 1 : 0, more: dropped })),
          settled
        ),
      extend: Effect.asVoid(settled(claims.query("log extend", "SELECT webhook_event_log_extend()")))
    })
  })
)
