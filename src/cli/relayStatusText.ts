import type { RelayOverview } from "../infra/rebase/relayStanding.ts"
import { age } from "./statusText.ts"
import { table } from "./Table.ts"

/** What a person does about an alarm of the relay. */
const ADVICE: Readonly<Record<string, string>> = {
  relay_stopped:
    "Kafka says no to the relay or to what it sends: mend what stands above (rights, limits, password); it looks again every half minute",
  relay_kafka_unavailable:
    "look after the brokers; everything waits in the log, and the relay goes on by itself",
  relay_database_unavailable: "look after the database; the relay goes on by itself",
  relay_leadership_lost: "nothing: another relay took over, or this one does again",
  relay_pooler_refused:
    "give the relay a DATABASE_URL that does not lead through a transaction-pooling PgBouncer",
  relay_checkpoint_refused: "oncegate relay rebase",
  relay_endpoint_unknown:
    "bring back the row of that endpoint in webhook_endpoints (a start of its gate writes it)",
  relay_log_version_unknown: "run a newer version of the relay",
  relay_defect: "look into the log of that process"
}

const id = (found: { readonly batch: number; readonly nonce: string } | null) =>
  found === null ? "none" : `batch ${found.batch} (${found.nonce})`

const standing = ({ relays, standby, state }: RelayOverview) => {
  if (state === "gone") return `gone since ${relays.at(-1)!.since}: it ended without a word, or is cut off`
  return `${state}${standby > 0 && state !== "standby" ? `, ${standby} ${standby === 1 ? "stands" : "stand"} by` : ""}`
}

const waiting = ({ backlog, rows_per_second }: RelayOverview) => {
  const { exact, oldest_seconds, rows, seconds_left } = backlog
  if (rows === 0) return "nothing waits"
  if (exact) return `${rows} rows, the oldest for ${age(oldest_seconds)}`
  const left =
    seconds_left === null
      ? "nothing moves"
      : `in Kafka in about ${age(seconds_left)}, at ${Math.round(rows_per_second!)} rows/s`
  return `at most ${rows} rows, the oldest for ${age(oldest_seconds)}; ${left}`
}

export const relayStatusText = (found: RelayOverview) => {
  const { checkpoint, kafka, rate, relays, verdict } = found
  const { confirmed, open } = checkpoint
  const codes = [...new Set(relays.flatMap(({ code }) => code ?? []))]
  const todo = [
    ...codes.map((code) => ADVICE[code] ?? "look into the log of that process"),
    ...(relays.every(({ state }) => state === "gone")
      ? ["start a relay: oncegate serve, or oncegate serve --only relay"]
      : []),
    ...(verdict?.agrees === false ? ["oncegate relay rebase"] : [])
  ]
  return [
    table([
      ["", ""],
      ["relay", standing(found)],
      ["postgres", id(confirmed)],
      ...(confirmed === null
        ? []
        : [["", `confirmed ${confirmed.at ?? "?"}, for cluster ${confirmed.clusterId}`]]),
      ...(open === null ? [] : [["  open", id(open)]]),
      ["kafka", "unreachable" in kafka ? `not reached (${kafka.unreachable})` : id(kafka.checkpoint)],
      ...("unreachable" in kafka ? [] : [["", `cluster ${kafka.cluster_id}`]]),
      [
        "verdict",
        verdict === null
          ? "not known"
          : verdict.agrees
            ? "the two agree"
            : `refused, ${verdict.reason}: ${/^[^.]*\./.exec(verdict.explanation)?.[0] ?? verdict.explanation}`
      ],
      ["backlog", waiting(found)],
      ["rate", `${rate.toFixed(1)} records/s`]
    ]).trim(),
    ...(relays.length === 0
      ? []
      : [
          "",
          table([
            ["process", "state", "since", "published", "records/s", "heard", "alarm"],
            ...relays.map((one) => [
              one.instance.slice(0, 8),
              one.state,
              one.since,
              one.records,
              one.rate.toFixed(1),
              `${age(one.reported_seconds)} ago`,
              one.code ?? "-"
            ])
          ]),
          ...relays.flatMap(({ code, explanation }) => (code === null ? [] : [`  ${code}: ${explanation}`]))
        ]),
    ...(todo.length === 0 ? [] : ["", ...[...new Set(todo)].map((line) => `to do: ${line}`)])
  ].join("\n")
}
