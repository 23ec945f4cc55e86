import { Effect } from "effect"
import type { Fold } from "../../domain/Audit.ts"
import { type AuditRun, report } from "./AuditRun.ts"
import type { Folded } from "./foldKeys.ts"
import type { Reach } from "./Horizon.ts"
import type { Snapshot } from "./Snapshot.ts"

/** What the log alone can tell of a row. Times of leases and tokens of claims are nobody's history. */
const TABLE = `
SELECT pg_advisory_xact_lock(hashtextextended('oncegate rebuild ' || current_schema(), 0));
DROP TABLE IF EXISTS webhook_dedup_events_rebuilt;
CREATE TABLE webhook_dedup_events_rebuilt (
  provider        TEXT        NOT NULL,
  dedup_key       TEXT        NOT NULL,
  status          TEXT        NOT NULL,
  request_hash    TEXT,
  fence           INTEGER     NOT NULL,
  version         INTEGER     NOT NULL,
  attempts        INTEGER     NOT NULL,
  failures        INTEGER     NOT NULL,
  next_attempt_at TIMESTAMPTZ,
  error_code      TEXT,
  event_type      TEXT,
  changed_at      TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (provider, dedup_key)
)`

const INSERT = `
INSERT INTO webhook_dedup_events_rebuilt
SELECT * FROM jsonb_populate_recordset(NULL::webhook_dedup_events_rebuilt, $1::text::jsonb)`

const statusOf = {
  Unseen: "unseen",
  Processing: "processing",
  Failed: "failed",
  Parked: "failed",
  Done: "done"
}

const rowOf = ({ endpoint, fold, key }: Folded) => {
  const { changedAt, errorCode, eventType, requestHash, state, version }: Fold = fold
  const { attempts, failures, fence } =
    state._tag === "Unseen" ? { attempts: 0, failures: 0, fence: 0 } : state
  return {
    provider: endpoint,
    dedup_key: key,
    status: statusOf[state._tag],
    request_hash: requestHash,
    fence,
    version,
    attempts,
    failures,
    next_attempt_at:
      state._tag === "Parked"
        ? "infinity"
        : state._tag === "Failed"
          ? new Date(state.nextAttemptAt).toISOString()
          : null,
    error_code: errorCode,
    event_type: eventType,
    changed_at: new Date(changedAt).toISOString()
  }
}

export const create = (snapshot: Snapshot) => snapshot.connection.script("audit rebuild", TABLE)

export const append = (snapshot: Snapshot) => (folded: ReadonlyArray<Folded>) =>
  Effect.asVoid(
    snapshot.connection.query("audit rebuild", INSERT, [
      JSON.stringify(folded.filter(({ fold }) => fold.state._tag !== "Unseen").map(rowOf))
    ])
  )

/**
 * Row by row, both tables in one snapshot. Keys that were purged, and rows without a history, are no differences; what
 * the log does not know of a row (its hash, where it was adopted) is not compared.
 */
const COMPARE = `
SELECT provider, dedup_key, rebuilt, present, to_jsonb(fields) AS fields FROM (
  SELECT provider, dedup_key, r.provider IS NOT NULL AS rebuilt, e.provider IS NOT NULL AS present,
         e.version AS row_version, e.first_seen_at, r.status AS rebuilt_status, r.changed_at AS rebuilt_at,
         array_remove(ARRAY[
           CASE WHEN r.status IS DISTINCT FROM e.status THEN 'status' END,
           CASE WHEN r.fence IS DISTINCT FROM e.fence THEN 'fence' END,
           CASE WHEN r.version IS DISTINCT FROM e.version THEN 'version' END,
           CASE WHEN r.attempts IS DISTINCT FROM e.attempts THEN 'attempts' END,
           CASE WHEN r.failures IS DISTINCT FROM e.failures THEN 'failures' END,
           CASE WHEN r.error_code IS DISTINCT FROM e.error_code THEN 'error_code' END,
           CASE WHEN r.request_hash <> e.request_hash THEN 'request_hash' END,
           CASE WHEN r.event_type <> e.event_type THEN 'event_type' END,
           CASE WHEN (r.next_attempt_at IS NULL) <> (e.next_attempt_at IS NULL)
                  OR r.next_attempt_at < e.next_attempt_at - interval '2 ms'
                  OR r.next_attempt_at > e.next_attempt_at + interval '2 ms' THEN 'next_attempt_at' END
         ], NULL) AS fields
    FROM webhook_dedup_events_rebuilt r
    FULL JOIN (SELECT * FROM webhook_dedup_events
                WHERE $1::text IS NULL OR provider = $1) e USING (provider, dedup_key)) AS pair
 WHERE CASE WHEN NOT rebuilt THEN row_version > 0 AND first_seen_at > $2::text::timestamptz
            WHEN NOT present THEN NOT (rebuilt_status = 'done' AND rebuilt_at <= $3::text::timestamptz)
            ELSE row_version > 0 AND cardinality(fields) > 0 END`

interface Compared {
  readonly provider: string
  readonly dedup_key: string
  readonly rebuilt: boolean
  readonly present: boolean
  readonly fields: ReadonlyArray<string>
}

const stamp = (ms: number, margin = 0) =>
  Number.isFinite(ms) ? new Date(ms + margin).toISOString() : "-infinity"

export const compare = Effect.fnUntraced(function* (snapshot: Snapshot, run: AuditRun, reach: Reach) {
  yield* snapshot.each<Compared, never, never>(
    "rebuilt",
    COMPARE,
    [run.endpoint, stamp(reach.log, 60_000), stamp(reach.keys, 60_000)],
    (rows) =>
      report(
        run,
        rows.map(({ dedup_key, fields, present, provider, rebuilt }) => ({
          endpoint: provider,
          key: dedup_key,
          code: "rebuilt_differs" as const,
          ...(present && rebuilt ? { field: fields.join(",") } : {}),
          expected: rebuilt ? "rebuilt" : null,
          found: present ? "in the table" : null
        }))
      )
  )
  const [count] = yield* snapshot.connection.query<{ rows: number }>(
    "audit rebuilt",
    "SELECT count(*)::int AS rows FROM webhook_dedup_events_rebuilt"
  )
  return count?.rows ?? 0
})
