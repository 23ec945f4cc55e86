import { Effect } from "effect"
import type { Admin } from "kafkajs"
import type { Reached } from "../postgres/RelayCheckpoint.ts"
import { attempt } from "./KafkaFailed.ts"
import type { TopicNames } from "./Topics.ts"

const CALL_MS = 10_000

/** The offset behind the last record, by topic and partition (`partitionName`). While a topic lives none goes back. */
export type TopicEnds = Map<string, bigint>

export const partitionName = (topic: string, partition: number) => `${topic} ${partition}`

/** Where both topics end now. */
export const readEnds = Effect.fnUntraced(function* (
  admin: Admin,
  names: Pick<TopicNames, "events" | "outcomes">
) {
  const ends: TopicEnds = new Map()
  for (const topic of [names.events, names.outcomes]) {
    const found = yield* attempt("checkpoint.ends", CALL_MS, () => admin.fetchTopicOffsets(topic))
    for (const { high, partition } of found) ends.set(partitionName(topic, partition), BigInt(high))
  }
  return ends
})

/** The same, all partitions of a topic together. */
export const reachedOf = (ends: TopicEnds, names: Pick<TopicNames, "events" | "outcomes">): Reached => {
  const sum = (topic: string) =>
    [...ends].reduce((all, [name, end]) => (name.startsWith(`${topic} `) ? all + Number(end) : all), 0)
  return { events: sum(names.events), outcomes: sum(names.outcomes) }
}
