import type { GateStatus, RelayStanding } from "../domain/GateStatus.ts"
import { table } from "./Table.ts"

/** `95` as `1m 35s`. */
export const age = (seconds: number | null) => {
  if (seconds === null) return "-"
  const whole = Math.max(0, Math.floor(seconds))
  const [days, hours, minutes] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3_600) % 24,
    Math.floor(whole / 60) % 60
  ]
  if (days > 0) return `${days}d ${hours}h`
  if (hours > 0) return `${hours}h ${minutes}m`
  return minutes > 0 ? `${minutes}m ${whole % 60}s` : `${whole}s`
}

const relayText = (relay: RelayStanding) => {
  const behind =
    relay.unpublished === 0
      ? "everything is in Kafka"
      : `${relay.unpublished_exact ? "" : "at most "}${relay.unpublished} rows of the log are not in Kafka yet, the oldest for ${age(relay.oldest_unpublished_seconds)}`
  return [
    `relay: ${relay.state}; ${behind}`,
    ...(relay.reason === null ? [] : [`  ${relay.reason.code}: ${relay.reason.explanation}`])
  ]
}

const sum = (
  status: GateStatus,
  names: ReadonlyArray<"parked" | "conflict" | "quarantined" | "unconfirmed">
) => status.endpoints.reduce((all, row) => all + names.reduce((part, name) => part + row[name], 0), 0)

export const statusText = (status: GateStatus) => {
  const waiting = sum(status, ["parked", "conflict", "quarantined"])
  return [
    status.endpoints.length === 0
      ? "no endpoint has started yet"
      : table([
          [
            "endpoint",
            "in flight",
            "retrying",
            "unconfirmed",
            "parked",
            "conflict",
            "quarantined",
            "oldest open",
            "done (1 h)",
            "unpublished"
          ],
          ...status.endpoints.map((row) => [
            row.endpoint,
            row.processing,
            row.retry_scheduled,
            row.unconfirmed,
            row.parked,
            row.conflict,
            row.quarantined,
            age(row.oldest_open_seconds),
            row.done_last_hour ?? "many",
            row.unpublished
          ])
        ]),
    "",
    ...relayText(status.relay),
    ...(waiting === 0
      ? ["nothing waits for a person"]
      : [`${waiting} events wait for a person: oncegate events list --state parked|conflict|quarantined`])
  ].join("\n")
}
