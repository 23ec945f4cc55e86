import { Effect, Schema } from "effect"
import { BillingFact, digestText } from "../../domain/BillingFact.ts"
import { ProcessFailed, type ProposedFact } from "../../domain/Provider.ts"

/** A fact as read off a provider's event. What is missing is undefined: the schema of BillingFact judges. */
export type DraftFact = { readonly [Field in keyof BillingFact]: unknown }

export interface Draft {
  readonly fact: DraftFact
  readonly onlyAfter?: string
}

/** The effect key of these parts, or undefined where one is missing: `capture:undefined:completed` must never be. */
export const effectKey = (...parts: ReadonlyArray<string | null | undefined>) =>
  parts.every((part) => typeof part === "string") ? parts.join(":") : undefined

const decode = Schema.decodeUnknownEffect(BillingFact)

/** One fact an effect key: told twice alike it is one, told with two amounts the event says nothing that can be booked. */
const distinct = (facts: ReadonlyArray<ProposedFact>) => {
  const byKey = new Map<string, ProposedFact>()
  for (const proposed of facts) {
    const present = byKey.get(proposed.fact.effect_key)
    if (present === undefined) byKey.set(proposed.fact.effect_key, proposed)
    else if (digestText(present.fact) !== digestText(proposed.fact))
      return Effect.fail(ProcessFailed.of("permanent", "uninterpretable"))
  }
  return Effect.succeed([...byKey.values()])
}

/**
 * The drafts as facts, or `uninterpretable` for the whole event where one of them lacks what it needs or outgrows its
 * bounds: half an event is never booked.
 */
export const propose = (
  drafts: ReadonlyArray<Draft>
): Effect.Effect<ReadonlyArray<ProposedFact>, ProcessFailed> =>
  Effect.forEach(drafts, ({ fact, onlyAfter }) =>
    Effect.map(decode(fact), (decoded) =>
      onlyAfter === undefined ? { fact: decoded } : { fact: decoded, onlyAfter }
    )
  ).pipe(
    Effect.mapError(() => ProcessFailed.of("permanent", "uninterpretable")),
    Effect.flatMap(distinct)
  )
