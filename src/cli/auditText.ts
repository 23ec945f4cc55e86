import type { Finding } from "../domain/Difference.ts"
import type { AuditSummary } from "../infra/audit/runAudit.ts"
import { table } from "./Table.ts"

const words: Readonly<Record<Finding["code"], string>> = {
  row_missing: "the log tells of an event that the table does not have",
  row_differs: "the table's row does not follow from the log",
  log_missing: "the row has versions, but no log",
  version_gap: "a change is missing in the log, or stands there twice",
  event_unreadable: "a row of the log cannot be read",
  event_of_newer_version: "a row of the log was written by a later version of the gate",
  facts_of_completion: "the completion names other facts than were recorded",
  body_missing: "the body is not in custody",
  body_without_event: "a body is in custody, but its event is not there",
  effect_missing: "a fact was recorded, but its effect is not booked",
  effect_unproven: "an effect is booked, but no fact in the log proves it",
  effect_doubled: "a fact stands more than once",
  effect_differs: "owner or amount of the effect are not those of the fact",
  record_missing: "not in its topic",
  record_unknown: "in the topic, but not in the log",
  record_doubled: "more than once",
  record_differs: "in the topic with other data",
  rebuilt_differs: "the row is not the one that the log alone makes"
}

const shown = (value: Finding["expected"]) => (value === null ? "nothing" : String(value))

/** One difference as a line: endpoint, key, what differs. */
export const findingText = ({ code, endpoint, expected, field, found, key }: Finding) =>
  [
    `${endpoint} ${key}`,
    code,
    `${field === undefined ? "" : `${field}: `}log ${shown(expected)}, found ${shown(found)} (${words[code]})`
  ].join("  ")

const notCompared = {
  kafka_unreachable: "not compared: Kafka cannot be reached",
  never_published: "not compared: nothing was ever published from here",
  other_cluster: "not compared: this is not the cluster that the log was published to"
}

const recordsText = (records: AuditSummary["records"]) =>
  records === null
    ? "not compared: no KAFKA_BROKERS"
    : "reason" in records
      ? `${notCompared[records.reason]}${records.code === null ? "" : ` (${records.code})`}`
      : `${records.events} facts and ${records.outcomes} outcomes compared with the topics`

export const summaryText = (summary: AuditSummary, seconds: number) => {
  const { beyond_horizon, compared, notes_only, purged, without_history } = summary.events
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["events", `${compared} folded from ${summary.logRows} rows of the log and compared with their rows`],
    ...(without_history > 0
      ? [
          [
            "",
            `${without_history} without a history: of the earlier gate, or written by base columns`
          ] as const
        ]
      : []),
    ...(purged > 0 ? [["", `${purged} purged after their retention, their log still there`] as const] : []),
    ...(beyond_horizon > 0
      ? [["", `${beyond_horizon} whose log, or its beginning, was dropped after its retention`] as const]
      : []),
    ...(notes_only > 0 ? [["", `${notes_only} keys with notes only (forgeries and the like)`] as const] : []),
    ["effects", `${summary.facts} facts of the log compared with the booked effects`],
    ["records", recordsText(summary.records)],
    ...(summary.rebuilt === null
      ? []
      : [["rebuilt", `${summary.rebuilt} rows in webhook_dedup_events_rebuilt`] as const]),
    ...Object.entries(summary.byCode).map(([code, count]) => [code, `${count} differences`] as const),
    ["time", `${seconds.toFixed(1)} s`]
  ]
  return [
    table([["", ""], ...rows]).trim(),
    summary.differences === 0 ? "Audit: clean" : `Audit: ${summary.differences} differences`
  ].join("\n")
}
