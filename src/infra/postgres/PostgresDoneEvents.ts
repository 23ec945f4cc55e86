import { Effect, Layer } from "effect"
import { DedupKey } from "../../domain/DedupKey.ts"
import { type DoneEvent, DoneEvents } from "../../domain/DoneEvents.ts"
import type { Act } from "../../domain/Events.ts"
import { StoreUnavailable } from "../../domain/GateStore.ts"
import type { Interpretation } from "../../domain/Provider.ts"
import { Custody } from "../crypto/Custody.ts"
import { stateRow } from "./completeStatement.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { LogSignal } from "./LogSignal.ts"
import { type DonePlace, doneRows, reinterpretRow } from "./reinterpretStatement.ts"

const unavailable = ({ code }: DatabaseError) => new StoreUnavailable({ code })

const make = Effect.gen(function* () {
  const { claims } = yield* Database
  const custody = yield* Custody
  const signal = yield* LogSignal

  const settle = (
    { event, readAt, version }: DoneEvent,
    interpretation: Interpretation,
    act: Act,
    dryRun: boolean
  ) =>
    reinterpretRow(
      claims,
      {
        provider: event.endpoint.name,
        dedupKey: event.dedupKey,
        version,
        eventType: interpretation.eventType,
        facts: interpretation.facts,
        state: stateRow(interpretation),
        readAt
      },
      act,
      dryRun
    ).pipe(
      Effect.retry({ while: ({ fate }) => fate === "repeat", times: 20 }),
      Effect.tap(() => Effect.sync(signal.raise)),
      Effect.mapError(unavailable)
    )

  return DoneEvents.of({
    page: Effect.fn("DoneEvents.page")(function* (endpoint, { eventType, since }, cursor) {
      const { found, place } = yield* doneRows(
        claims,
        endpoint.name,
        eventType,
        cursor === undefined ? { since } : (JSON.parse(cursor) as DonePlace)
      ).pipe(Effect.mapError(unavailable))
      const opened = yield* Effect.forEach(found, ({ dedup_key, key_id, read_at, sealed, version }) =>
        Effect.option(
          Effect.map(
            custody.open(endpoint.name, dedup_key, { keyId: key_id, bytes: sealed }),
            (body): DoneEvent => ({
              event: { endpoint, dedupKey: DedupKey.make(dedup_key), body },
              version,
              readAt: read_at
            })
          )
        )
      )
      const events = opened.flatMap((one) => (one._tag === "Some" ? [one.value] : []))
      return {
        events,
        sealed: found.length - events.length,
        cursor: place === undefined ? null : JSON.stringify(place)
      }
    }),
    wouldBook: (event, interpretation) => settle(event, interpretation, { by: "", reason: "" }, true),
    book: (event, interpretation, act) => settle(event, interpretation, act, false)
  })
})

/** Done events on PostgreSQL, their bodies out of custody. */
export const layer = Layer.effect(DoneEvents, make)
