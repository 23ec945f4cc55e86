import { Effect } from "effect"
import { readReach } from "../audit/Horizon.ts"
import type { Connection } from "../postgres/Database.ts"
import { origin, type Place, WANTED } from "../postgres/LogReader.ts"
import type { StartAt } from "./StartAt.ts"

/** Counts of facts and outcomes. */
export interface Counts {
  readonly facts: number
  readonly outcomes: number
}

/** The log against the topics. */
export interface Comparison {
  /** The moment of the comparison: what is visible in it was looked at. */
  readonly snapshot: string
  readonly logRows: number
  /** Records that the topics hold. */
  readonly present: Counts
  /** Of the log, and in no topic. */
  readonly missing: Counts
  /** Of these, what the checkpoint in Postgres calls published. */
  readonly covered: Counts
  /** In a topic, and not in the log. */
  readonly strays: Counts
  /** Facts in a topic whose effect is not booked. */
  readonly unbooked: number
  /** Records that stand in their topic more than once; nothing takes them away. */
  readonly doubled: number
  /** Facts that the topic holds over other money than is booked, some of them by name. */
  readonly differing: ReadonlyArray<{ readonly endpoint: string; readonly effect_key: string }>
  /** Position up to which the log was dropped by its retention: what lies before can come from no log. */
  readonly logFrom: number
}

/** A fact is the same by its effect, an outcome by its event id: that is what ce_id is made of. */
const SAME = `CASE WHEN l.type = 'BillingEventRecorded'
  THEN EXISTS (SELECT FROM rebase_topic t WHERE t.topic = 'events' AND t.endpoint = l.provider
                AND t.effect_key = l.data->'fact'->>'effect_key')
  ELSE EXISTS (SELECT FROM rebase_topic t WHERE t.topic = 'outcomes' AND t.id = l.event_id::text) END`

const MISSING = `
CREATE TEMP TABLE rebase_missing AS
SELECT l.position, l.type = 'BillingEventRecorded' AS fact,
       pg_visible_in_snapshot(l.xid, p.from_snapshot::pg_snapshot)
         OR (l.position <= p.position AND pg_visible_in_snapshot(l.xid, p.to_snapshot::pg_snapshot)) AS covered
  FROM webhook_event_log l, rebase_place p
 WHERE ${WANTED}
   AND l.at >= CASE WHEN l.type = 'BillingEventRecorded' THEN p.events_since ELSE p.outcomes_since END
   AND NOT ${SAME}`

/** What was dropped with a part of the log is no stray; neither is what an earlier rebase met. */
const STRAYS = `
CREATE TEMP TABLE rebase_strays AS
SELECT t.topic, t.part, t.off, t.id FROM rebase_topic t, rebase_place p
 WHERE (t.position IS NULL OR t.position >= p.log_from)
   AND CASE WHEN t.topic = 'events'
     THEN NOT EXISTS (SELECT FROM rebase_facts f WHERE f.endpoint = t.endpoint AND f.effect_key = t.effect_key)
     ELSE NOT EXISTS (SELECT FROM rebase_outcomes o WHERE o.id = t.id) END
   AND NOT EXISTS (SELECT FROM relay_strays s WHERE s.topic = t.topic AND s.id = t.id)`

const BESIDE = `
CREATE TEMP TABLE rebase_facts AS
SELECT provider AS endpoint, data->'fact'->>'effect_key' AS effect_key FROM webhook_event_log
 WHERE type = 'BillingEventRecorded';
CREATE TEMP TABLE rebase_outcomes AS
SELECT event_id::text AS id FROM webhook_event_log l WHERE l.type <> 'BillingEventRecorded' AND ${WANTED};
ANALYZE rebase_facts; ANALYZE rebase_outcomes`

const COUNTS = `
SELECT pg_current_snapshot()::text AS snapshot,
       (SELECT count(*) FROM webhook_event_log) AS log_rows,
       (SELECT count(*) FROM rebase_topic WHERE topic = 'events') AS present_facts,
       (SELECT count(*) FROM rebase_topic WHERE topic = 'outcomes') AS present_outcomes,
       (SELECT count(*) FILTER (WHERE fact) FROM rebase_missing) AS missing_facts,
       (SELECT count(*) FILTER (WHERE NOT fact) FROM rebase_missing) AS missing_outcomes,
       (SELECT count(*) FILTER (WHERE fact AND covered) FROM rebase_missing) AS covered_facts,
       (SELECT count(*) FILTER (WHERE NOT fact AND covered) FROM rebase_missing) AS covered_outcomes,
       (SELECT count(*) FILTER (WHERE topic = 'events') FROM rebase_strays) AS stray_facts,
       (SELECT count(*) FILTER (WHERE topic = 'outcomes') FROM rebase_strays) AS stray_outcomes,
       (SELECT count(*) FROM (SELECT FROM rebase_topic GROUP BY topic, id HAVING count(*) > 1) d) AS doubled,
       (SELECT count(*) FROM (SELECT DISTINCT endpoint, effect_key FROM rebase_topic t WHERE effect_key IS NOT NULL AND endpoint IS NOT NULL
          AND NOT EXISTS (SELECT FROM billing_effects b WHERE b.provider = t.endpoint AND b.effect_key = t.effect_key)) u) AS unbooked,
       (SELECT log_from FROM rebase_place) AS log_from`

const DIFFERING = `
SELECT DISTINCT t.endpoint, t.effect_key FROM rebase_topic t
  JOIN billing_effects b ON b.provider = t.endpoint AND b.effect_key = t.effect_key
 WHERE t.digest <> b.digest ORDER BY 1, 2 LIMIT 100`

/** Since when each topic still holds what was published; null: for ever. */
export interface Kept {
  readonly events: Date | null
  readonly outcomes: Date | null
}

/** Compares the log of one moment with the loaded topics. Its tables stay in the session. */
export const compare = Effect.fnUntraced(function* (
  connection: Connection,
  place: Place | undefined,
  kept: Kept
) {
  const { from, position, to } = place ?? origin
  const { logPosition } = yield* readReach(connection)
  yield* connection.query(
    "rebase place",
    `CREATE TEMP TABLE rebase_place AS
     SELECT ''::text AS from_snapshot, ''::text AS to_snapshot, 0::bigint AS position, 0::bigint AS log_from,
            now() AS events_since, now() AS outcomes_since`
  )
  yield* connection.query(
    "rebase place",
    `UPDATE rebase_place SET from_snapshot = $1, to_snapshot = $2, position = $3::bigint, log_from = $4::bigint,
       events_since = coalesce($5::timestamptz, '-infinity'), outcomes_since = coalesce($6::timestamptz, '-infinity')`,
    [
      from,
      to,
      position,
      logPosition,
      kept.events?.toISOString() ?? null,
      kept.outcomes?.toISOString() ?? null
    ]
  )
  // One snapshot for all of it: what it sees is what `pg_current_snapshot` calls visible.
  yield* connection.script("rebase moment", "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
  yield* connection.script("rebase log", BESIDE)
  yield* connection.script("rebase missing", `${MISSING}; CREATE INDEX ON rebase_missing (position)`)
  yield* connection.script("rebase strays", STRAYS)
  const [row] = yield* connection.query<Record<string, string>>("rebase counts", COUNTS)
  const differing = yield* connection.query<{ endpoint: string; effect_key: string }>(
    "rebase differing",
    DIFFERING
  )
  yield* connection.script("rebase moment", "COMMIT")
  const count = (name: string) => Number(row![name])
  const counts = (name: string): Counts => ({
    facts: count(`${name}_facts`),
    outcomes: count(`${name}_outcomes`)
  })
  return {
    snapshot: row!.snapshot!,
    logRows: count("log_rows"),
    present: counts("present"),
    missing: counts("missing"),
    covered: counts("covered"),
    strays: { facts: count("stray_facts"), outcomes: count("stray_outcomes") },
    unbooked: count("unbooked"),
    doubled: count("doubled"),
    differing,
    logFrom: count("log_from")
  } satisfies Comparison
})

/** Which of the missing rows are published: a condition over `rebase_missing`. */
export const chosen = (startAt: StartAt) =>
  startAt === "kafka" ? "true" : startAt === "postgres" ? "NOT covered" : `position > ${Math.trunc(startAt)}`

/** How many of the missing a choice publishes, and how many it leaves out. */
export const weigh = (connection: Connection, startAt: StartAt) =>
  Effect.map(
    connection.query<Record<string, string>>(
      "rebase weigh",
      `SELECT count(*) FILTER (WHERE fact AND ${chosen(startAt)}) AS facts,
              count(*) FILTER (WHERE NOT fact AND ${chosen(startAt)}) AS outcomes,
              count(*) FILTER (WHERE fact AND NOT (${chosen(startAt)})) AS out_facts,
              count(*) FILTER (WHERE NOT fact AND NOT (${chosen(startAt)})) AS out_outcomes FROM rebase_missing`
    ),
    ([row]) => ({
      publishes: { facts: Number(row!.facts), outcomes: Number(row!.outcomes) } satisfies Counts,
      leavesOut: { facts: Number(row!.out_facts), outcomes: Number(row!.out_outcomes) } satisfies Counts
    })
  )
