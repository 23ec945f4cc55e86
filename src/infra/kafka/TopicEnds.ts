import { Effect, Schedule } from "effect"
import type { Admin } from "kafkajs"
import type { Reached } from "../postgres/RelayCheckpoint.ts"
import { attempt } from "./KafkaFailed.ts"
import { withUncommitted } from "./KafkajsTransactions.ts"
import type { TopicNames } from "./Topics.ts"

const CALL_MS = 10_000
const LOOK_MS = 500

/** The offset behind the last record, by topic and partition (`partitionName`). While a topic lives none goes back. */
export type TopicEnds = Map<string, bigint>

export const partitionName = (topic: string, partition: number) => `${topic} ${partition}`

/** The partitions, by topic, as kafkajs wants them. */
export const byTopic = (ends: TopicEnds) => {
  const found = new Map<string, Array<number>>()
  for (const name of ends.keys()) {
    const [topic = "", partition] = name.split(" ")
    found.set(topic, [...(found.get(topic) ?? []), Number(partition)])
  }
  return [...found].map(([topic, partitions]) => ({ topic, partitions }))
}

/** Where both topics end now for readers of committed records; `beyond`: with what has not been committed. */
export const readEnds = Effect.fnUntraced(function* (
  admin: Admin,
  names: Pick<TopicNames, "events" | "outcomes">,
  beyond = false
) {
  const ends: TopicEnds = new Map()
  for (const topic of [names.events, names.outcomes]) {
    const ask = () => admin.fetchTopicOffsets(topic)
    const found = yield* attempt("checkpoint.ends", CALL_MS, () => (beyond ? withUncommitted(ask) : ask()))
    for (const { high, partition } of found) ends.set(partitionName(topic, partition), BigInt(high))
  }
  return ends
})

/** Longer than a transaction of any of our producers can last, its end by Kafka itself included. */
export const UNENDED_MS = 35_000

/**
 * Partitions with a transaction that is under way now and still is after `forMs`, and where their records end now.
 * Readers of committed records stand still before it, for ever where Kafka believes that it has ended (docs/adr/0050).
 */
export const readUnended = Effect.fnUntraced(function* (
  admin: Admin,
  names: Pick<TopicNames, "events" | "outcomes">,
  forMs: number
) {
  const written = yield* readEnds(admin, names, true)
  return yield* Effect.map(
    readEnds(admin, names),
    (ends): TopicEnds => new Map([...written].filter(([name, end]) => (ends.get(name) ?? 0n) < end))
  ).pipe(
    Effect.repeat({
      schedule: Schedule.spaced(LOOK_MS),
      times: Math.ceil(forMs / LOOK_MS),
      while: (found) => found.size > 0
    })
  )
})

/** The same, all partitions of a topic together. */
export const reachedOf = (ends: TopicEnds, names: Pick<TopicNames, "events" | "outcomes">): Reached => {
  const sum = (topic: string) =>
    [...ends].reduce((all, [name, end]) => (name.startsWith(`${topic} `) ? all + Number(end) : all), 0)
  return { events: sum(names.events), outcomes: sum(names.outcomes) }
}
