import type { TopicMessages } from "kafkajs"
import type { OutRecord } from "./Records.ts"
import type { TopicNames } from "./Topics.ts"

/** Less than what a broker takes for one partition at once (1,048,588 bytes), even where all of it has one key. */
const BYTES = 700_000
const ENVELOPE_BYTES = 700

/** Cuts records into transactions, in order; each has at least one. */
export const inTransactions = <A extends { readonly record: OutRecord }>(rows: ReadonlyArray<A>) => {
  const parts: Array<Array<A>> = []
  let bytes = Number.POSITIVE_INFINITY
  for (const row of rows) {
    const size = row.record.value.length + ENVELOPE_BYTES
    if (bytes + size > BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(row)
    bytes += size
  }
  return parts
}

/** What kafkajs sends for these records; `headers` come on top of each one's own. */
export const messagesOf = (
  records: ReadonlyArray<OutRecord>,
  names: Pick<TopicNames, "events" | "outcomes">,
  headers: Readonly<Record<string, string>> = {}
): ReadonlyArray<TopicMessages> =>
  (["events", "outcomes"] as const).flatMap((topic) => {
    const mine = records.filter((record) => record.topic === topic)
    return mine.length === 0
      ? []
      : [
          {
            topic: names[topic],
            messages: mine.map((record) => ({
              key: record.key,
              value: record.value,
              headers: { ...record.headers, ...headers }
            }))
          }
        ]
  })
