import { Effect } from "effect"
import { alarm } from "./Alarm.ts"
import { type DoneEvent, DoneEvents } from "./DoneEvents.ts"
import type { Act } from "./Events.ts"
import { ProcessFailed, type Provider } from "./Provider.ts"

/** What became of the events that were looked at. */
export interface Reinterpreted {
  readonly booked: number
  readonly nothing_new: number
  /** A fact is booked already with another amount, currency or parent: nothing of these events was booked. */
  readonly conflict: number
  /** Somebody else acted on them meanwhile, or another event told of the same thing: run again. */
  readonly changed: number
  /** The provider's API did not answer, or the body says nothing that can be understood: run again later. */
  readonly failed: number
  /** Their bodies cannot be opened. */
  readonly sealed: number
}

const CONCURRENCY = 8

/**
 * Interprets the done events of one type again, whose type made no fact then, and books only facts with new effect
 * keys. Running it again is harmless. `onPage` hears the sums after each page.
 */
export const reinterpret = Effect.fnUntraced(function* (
  provider: Provider,
  filter: { readonly eventType: string; readonly since: Date },
  act: Act | "dry run",
  onPage: (sums: Reinterpreted) => Effect.Effect<void>
) {
  const store = yield* DoneEvents
  const sums = { booked: 0, nothing_new: 0, conflict: 0, changed: 0, failed: 0, sealed: 0 }

  const one = Effect.fnUntraced(function* (done: DoneEvent) {
    const interpretation = yield* provider
      .interpret(done.event)
      .pipe(Effect.catchDefect(() => Effect.fail(ProcessFailed.of("event", "unexpected"))))
    const result =
      act === "dry run"
        ? yield* store.wouldBook(done, interpretation)
        : yield* store.book(done, interpretation, act)
    if (result === "conflict" && act !== "dry run")
      yield* alarm("effect_conflict", "a reinterpreted event tells a booked fact with another amount", {
        provider: provider.endpoint.name
      })
    sums[result] += 1
  })

  let cursor: string | undefined
  do {
    const page = yield* store.page(provider.endpoint, filter, cursor)
    yield* Effect.forEach(
      page.events,
      (done) =>
        Effect.catchTag(one(done), "ProcessFailed", () =>
          Effect.sync(() => {
            sums.failed += 1
          })
        ),
      { concurrency: CONCURRENCY, discard: true }
    )
    sums.sealed += page.sealed
    yield* onPage({ ...sums })
    cursor = page.cursor ?? undefined
  } while (cursor !== undefined)
  return sums satisfies Reinterpreted
})
