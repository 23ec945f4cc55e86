import { isAnswered, type Told } from "./EventVerdict.ts"
import type { ExpectedFact, SimulatedEvent } from "./SimulatedEvent.ts"

const eventLine = ({ dedupKey, endpoint, eventType }: SimulatedEvent) => ({
  endpoint,
  dedup_key: dedupKey,
  type: eventType
})

/** Each fact once, whichever events lead to it. */
const factsOf = (events: ReadonlyArray<SimulatedEvent>) => {
  const facts = new Map<string, ExpectedFact>()
  for (const event of events)
    for (const fact of event.facts) facts.set(`${fact.endpoint} ${fact.effect_key}`, fact)
  return facts
}

/** What a run leaves behind, for anyone to compare with Postgres and Kafka. */
export interface Expectation {
  readonly seed: string
  readonly events: ReadonlyArray<{
    readonly endpoint: string
    readonly dedup_key: string
    readonly type: string
  }>
  /** Exactly these must stand in `billing.events.v1`, each once. */
  readonly facts: ReadonlyArray<ExpectedFact>
  /** Of events that got no 200 (a gate killed in the run): these may stand there, at most once. */
  readonly unanswered: Pick<Expectation, "events" | "facts">
}

/** Before the run: everything is to come out. */
export const planned = (seed: string, events: ReadonlyArray<SimulatedEvent>): Expectation => ({
  seed,
  events: events.map(eventLine),
  facts: [...factsOf(events).values()],
  unanswered: { events: [], facts: [] }
})

/** After the run: what was answered 200 must come out; what was sent without an answer may. The unsent is left out. */
export const settled = (seed: string, told: ReadonlyArray<Told>): Expectation => {
  const sent = told.filter(({ received }) => received.length > 0)
  const answered = sent.filter(isAnswered).map(({ event }) => event)
  const open = sent.filter((one) => !isAnswered(one)).map(({ event }) => event)
  const must = factsOf(answered)
  const may = [...factsOf(open)].filter(([key]) => !must.has(key)).map(([, fact]) => fact)
  return {
    ...planned(seed, answered),
    unanswered: { events: open.map(eventLine), facts: may }
  }
}
