import { Effect, Schedule } from "effect"
import type { Admin } from "kafkajs"
import type { Connection } from "../postgres/Database.ts"
import type { Place } from "../postgres/LogReader.ts"
import type { BatchRow, Reached } from "../postgres/RelayCheckpoint.ts"
import { attempt } from "./KafkaFailed.ts"
import type { TopicNames } from "./Topics.ts"

const CALL_MS = 10_000
/** More published rows than this are not counted: a topic with as many records is the one we wrote to. */
const COUNTED = 10_000
/** Rows of the log that are looked at, the newest: few of them may be facts, and the relay must begin. */
const LOOKED_AT = 500_000
/** Between the clocks of Postgres and of the relay that stamped the records. */
const SKEW_MS = 300_000

/** The row that always has a record in its topic. */
const ROW_OF = { events: "BillingEventRecorded", outcomes: "Completed" } as const

/** What a relay that takes over knows of the batch that it goes on from. */
interface Known extends Pick<BatchRow, "place" | "reached"> {
  /** Where the topics ended at the last batch that was confirmed, in case it is not this one. */
  readonly before?: Reached | undefined
}

/**
 * The topics that end before where they ended: they were deleted and made anew. Where it is not known where they ended,
 * those that were ever given fewer records than Postgres knows as published since the last rebase. Ends of partitions
 * never go back, whatever retention takes away, and a record that was aborted counts for one: so this errs to the side
 * of going on, by as many as were aborted.
 */
export const replaced = Effect.fnUntraced(function* (
  connection: Connection,
  now: Reached,
  { before, place, reached }: Known,
  lookedAt = LOOKED_AT
) {
  const topics = ["events", "outcomes"] as const
  const least = reached ?? before
  const found = topics.filter((topic) => now[topic] < (least?.[topic] ?? 0))
  if (reached !== undefined || found.length > 0) return found
  for (const topic of topics) {
    if (now[topic] >= COUNTED) continue
    const rows = yield* connection.query<{ enough: boolean }>(
      "checkpoint.published",
      `SELECT true AS enough FROM (SELECT * FROM webhook_event_log ORDER BY position DESC LIMIT ${lookedAt}) l
        WHERE l.type = $4 AND l.at > coalesce((SELECT max(finished_at) FROM relay_rebases), '-infinity')
          AND (pg_visible_in_snapshot(l.xid, $1::text::pg_snapshot)
               OR (l.position <= $3::bigint AND pg_visible_in_snapshot(l.xid, $2::text::pg_snapshot)))
        OFFSET $5::int LIMIT 1`,
      [place.from, place.to, place.position, ROW_OF[topic], now[topic]]
    )
    if (rows.length > 0) found.push(topic)
  }
  return found
})

/**
 * `replaced`, believed only if it stays for so many looks: a commit is acknowledged before its markers are written, and a
 * topic ends before it until then; so it may on a broker that was just restarted.
 */
export const replacedForGood = <E>(
  connection: Connection,
  now: Effect.Effect<Reached, E>,
  known: Known,
  { looks, everyMs }: { readonly looks: number; readonly everyMs: number }
) =>
  Effect.flatMap(now, (reached) => replaced(connection, reached, known)).pipe(
    Effect.repeat({
      schedule: Schedule.spaced(everyMs),
      times: looks - 1,
      while: (found) => found.length > 0
    })
  )

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
