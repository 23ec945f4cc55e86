import type { Report, Row } from "../infra/simulator/Report.ts"
import { table } from "./Table.ts"

const SHOWN = 10

const line = (row: Row) => [
  row.provider,
  row.type,
  row.events,
  row.processed,
  row.already_processed,
  row.other,
  row.errors,
  row.p50_ms,
  row.p99_ms
]

/** The outcome of a simulation for people. */
export const simulationText = (result: Report) => {
  const heading = [
    "provider",
    "event type",
    "events",
    "processed",
    "already processed",
    "other",
    "errors",
    "p50 ms",
    "p99 ms"
  ]
  const unsent = result.failed.filter(({ answers }) => answers === "not sent").length
  const failed = result.failed
    .slice(0, SHOWN)
    .map(({ answers, dedup_key, endpoint }) => `  ${endpoint} ${dedup_key}: ${answers}`)
  const because = Object.entries(result.retried_after).map(([answer, count]) => `${answer}: ${count}`)
  const more = result.failed.length - failed.length
  return [
    table([heading, ...result.rows.map(line), line(result.total)]),
    "",
    `${result.events} events in ${result.deliveries} deliveries, ${result.seconds} s, ${result.per_second} a second, seed ${result.seed}`,
    ...(result.retried > 0
      ? [`sent again, because no 200 came: ${result.retried} times (${because.join(", ")})`]
      : []),
    ...(result.processed_unseen > 0
      ? [
          `processed, though no answer told: ${result.processed_unseen} events, whose answer was lost before they were sent again; the gate says that they are done`
        ]
      : []),
    ...Object.entries(result.trouble).map(([answer, count]) => `answered ${answer}: ${count}`),
    ...(unsent > 0 ? [`not sent, because the story before them broke off: ${unsent} events`] : []),
    ...(failed.length === 0 ? [] : ["Not processed exactly once:", ...failed]),
    ...(more > 0 ? [`  and ${more} more`] : []),
    `Verdict: ${result.verdict}`
  ].join("\n")
}
