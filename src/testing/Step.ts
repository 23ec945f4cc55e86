import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"

/**
 * The events of a small world at one endpoint: `a` and `b` are ordinary, a second body under `a`'s key is `a~`, and `q` is
 * a verified body that is no JSON object. Both ordinary ones may tell the same billing facts.
 */
export const EventId = Schema.Literals(["a", "b", "a~", "q"])
export type EventId = typeof EventId.Type
export const eventIds = EventId.literals

/** A billing fact by a short name: `capture` at two amounts is one fact told in two ways, which is a conflict. */
export const FactId = Schema.Literals(["capture 10.00", "capture 99.00", "refund 5.00"])
export type FactId = typeof FactId.Type
/** The part of a fact that names it: `capture 99.00` -> `capture`. */
export const effectOf = (fact: FactId) => fact.split(" ")[0]!

const Gate = Schema.Literals(["A", "B", "C"])
/** Which claim a worker presents: 0 is the latest that was given for the event, 1 the one before it. */
const ClaimsBack = Schema.Literals([0, 1, 2])
const worker = { event: EventId, claim: ClaimsBack, gate: Gate }

/** What happens to the world, in the words of the story that a counterexample is told in. */
export const Step = Schema.TaggedUnion({
  /** A provider's delivery comes in at a gate. One that proves its facts by itself is completed at once. */
  Deliver: { event: EventId, gate: Gate, proves: Schema.NullOr(Schema.Array(FactId)) },
  /** A gate looks for work that waits: expired leases, due retries, or those that the provider's API does not know yet. */
  Look: { lane: Schema.Literals(["rescue", "retry", "unconfirmed"]), gate: Gate },
  Renew: worker,
  Complete: { ...worker, facts: Schema.Array(FactId) },
  Fail: {
    ...worker,
    kind: Schema.Literals(["permanent", "world", "unconfirmed", "event"]),
    delayMinutes: Schema.Literals([10, 180])
  },
  Release: worker,
  Redrive: { event: EventId },
  Dismiss: { event: EventId }
})
export type Step = typeof Step.Type

/** Time that passes, and then steps: more than one means that they happen at the same moment, in any order. */
export interface Round {
  readonly waitMinutes: number
  readonly steps: ReadonlyArray<Step>
}

/** Limits of the world, in minutes: no sum of waits meets one of them, so seconds that really pass decide nothing. */
export const LEASE_MINUTES = 60
export const INTERVAL_MINUTES = 30
export const MAX_ATTEMPTS = 3
const from = <A>(schema: Schema.Schema<A>): Arbitrary.Arbitrary<A> => Arbitrary.schema(schema)
/** One of them, as often as its weight says. Shrinks towards the first. */
const oneOf = <A>(...table: ReadonlyArray<readonly [weight: number, arbitrary: Arbitrary.Arbitrary<A>]>) => {
  const choices = table.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary))
  return Arbitrary.flatMap(
    from(Schema.Literals(choices.map((_, index) => index))),
    (index) => choices[index]!
  )
}
const value = <A>(weight: number, one: A) => [weight, Arbitrary.Constant(one)] as const

const event = oneOf<EventId>(value(5, "a"), value(3, "b"), value(1, "a~"), value(1, "q"))
const held = {
  event,
  claim: oneOf<0 | 1 | 2>(value(6, 0), value(2, 1), value(1, 2)),
  gate: from(Gate)
}
/** No fact twice: a provider's adapter proposes each once. */
const facts = oneOf<ReadonlyArray<FactId>>(
  value(1, []),
  value(3, ["capture 10.00"]),
  value(2, ["capture 10.00", "refund 5.00"]),
  value(1, ["capture 99.00"])
)
const proves = Arbitrary.flatMap(
  oneOf(value(4, false), value(1, true)),
  (itself): Arbitrary.Arbitrary<ReadonlyArray<FactId> | null> => (itself ? facts : Arbitrary.Constant(null))
)
const kind = from(Step.cases.Fail.fields.kind)
const delayMinutes = from(Step.cases.Fail.fields.delayMinutes)
const lane = from(Step.cases.Look.fields.lane)

/** One step, as often as its kind leads somewhere. */
export const step: Arbitrary.Arbitrary<Step> = oneOf<Step>(
  [6, Arbitrary.map(Arbitrary.all({ event, gate: from(Gate), proves }), (to) => Step.cases.Deliver.make(to))],
  [4, Arbitrary.map(Arbitrary.all({ lane, gate: from(Gate) }), (to) => Step.cases.Look.make(to))],
  [1, Arbitrary.map(Arbitrary.all(held), (to) => Step.cases.Renew.make(to))],
  [3, Arbitrary.map(Arbitrary.all({ ...held, facts }), (to) => Step.cases.Complete.make(to))],
  [5, Arbitrary.map(Arbitrary.all({ ...held, kind, delayMinutes }), (to) => Step.cases.Fail.make(to))],
  [1, Arbitrary.map(Arbitrary.all(held), (to) => Step.cases.Release.make(to))],
  [1, Arbitrary.map(Arbitrary.all({ event }), (to) => Step.cases.Redrive.make(to))],
  [1, Arbitrary.map(Arbitrary.all({ event }), (to) => Step.cases.Dismiss.make(to))]
)

const wait = oneOf(value(5, 0), value(2, 7), value(2, 37), value(2, 67), value(1, 187))

const rounds = (most: number, limit: number): Arbitrary.Arbitrary<ReadonlyArray<Round>> =>
  Arbitrary.array(
    Arbitrary.map(
      Arbitrary.all([wait, Arbitrary.array(step, { minLength: 1, maxLength: most })] as const),
      ([waitMinutes, steps]) => ({ waitMinutes, steps })
    ),
    { minLength: 1, maxLength: limit }
  )

/** Histories in which one thing happens after the other. */
export const histories = (limit = 30) => rounds(1, limit)
/** Histories in which up to three things happen at the same moment. */
export const concurrentHistories = (limit = 12) => rounds(3, limit)
