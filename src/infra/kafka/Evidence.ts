import { Effect } from "effect"
import type { Admin } from "kafkajs"
import type { Connection } from "../postgres/Database.ts"
import type { Place } from "../postgres/LogReader.ts"
import { attempt } from "./KafkaFailed.ts"
import type { TopicNames } from "./Topics.ts"

const CALL_MS = 10_000
/** Between the clocks of Postgres and of the relay that stamped the records. */
const SKEW_MS = 300_000

/** True where a topic was ever written to: a first start would publish behind what others published. */
export const isInUse = (admin: Admin, names: TopicNames) =>
  attempt("checkpoint.topics", CALL_MS, async () => {
    const ends = await Promise.all(
      [names.events, names.outcomes].map((topic) => admin.fetchTopicOffsets(topic))
    )
    return ends.flat().some(({ high }) => high !== "0")
  })

/**
 * False where the newest fact that Postgres knows as published is younger than every record of its topic: Kafka came
 * back from a backup so old that even the offset, which would have told, has expired. True where nothing speaks
 * against it, such as a log without facts.
 */
export const holdsNewest = Effect.fnUntraced(function* (
  connection: Connection,
  admin: Admin,
  names: TopicNames,
  place: Place
) {
  const [newest] = yield* connection.query<{ at: Date }>(
    "checkpoint.newest",
    `SELECT l.at FROM webhook_event_log l
      WHERE l.type = 'BillingEventRecorded'
        AND (pg_visible_in_snapshot(l.xid, $1::text::pg_snapshot)
             OR (l.position <= $3::bigint AND pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot)))
      ORDER BY l.position DESC LIMIT 1`,
    [place.from, place.to, place.position]
  )
  if (newest === undefined) return true
  return yield* attempt("checkpoint.evidence", CALL_MS, async () => {
    const [ends, since] = await Promise.all([
      admin.fetchTopicOffsets(names.events),
      admin.fetchTopicOffsetsByTimestamp(names.events, newest.at.getTime() - SKEW_MS)
    ])
    return since.some(({ partition, offset }) => {
      const end = ends.find((one) => one.partition === partition)
      return end !== undefined && offset !== "-1" && BigInt(offset) < BigInt(end.high)
    })
  })
})
