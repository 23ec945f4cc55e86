import type { FoundCount } from "../domain/Events.ts"
import type { EventDetail, EventPage } from "../domain/EventView.ts"
import type { Reinterpreted } from "../domain/reinterpret.ts"
import { table } from "./Table.ts"

const minute = (time: string) => `${time.slice(0, 10)} ${time.slice(11, 19)}`
const orDash = (text: string | null) => text ?? "-"

/** Keys and codes as one word of a shell, where they are none. */
export const quoted = (text: string) =>
  /^[A-Za-z0-9_.:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

export const pageText = ({ cursor, events }: EventPage) =>
  events.length === 0
    ? "no events"
    : [
        table([
          ["first seen (UTC)", "endpoint", "state", "code", "attempts", "next attempt", "type", "key"],
          ...events.map((event) => [
            minute(event.first_seen_at),
            event.endpoint,
            event.state,
            orDash(event.error_code),
            event.attempts,
            event.next_attempt_at === null ? "-" : minute(event.next_attempt_at),
            orDash(event.event_type),
            event.dedup_key
          ])
        ]),
        ...(cursor === null ? [] : [`\nmore: --cursor ${cursor}`])
      ].join("\n")

const NOT_SHOWN = new Set(["fence", "attempts", "failures"])
const detailOf = ({ fact, ...data }: Readonly<Record<string, unknown>>) =>
  Object.entries(fact === undefined ? data : { effect_key: (fact as { effect_key: string }).effect_key })
    .filter(([name, value]) => !NOT_SHOWN.has(name) && value !== null)
    .map(([name, value]) =>
      name.endsWith("_at") && typeof value === "number"
        ? `${name}=${new Date(value).toISOString()}`
        : `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
    )
    .join(" ")

const advice = ({ dedup_key, endpoint, state }: EventDetail) => {
  const name = `${endpoint} ${quoted(dedup_key)}`
  return state === "done" || state === "processing"
    ? []
    : [
        "",
        `again:  oncegate events redrive ${name} --reason ".."`,
        `end it: oncegate events dismiss ${name} --reason ".."`
      ]
}

export const detailText = (event: EventDetail) =>
  [
    table([
      ["key", event.dedup_key],
      ["endpoint", event.endpoint],
      ["state", event.error_code === null ? event.state : `${event.state} (${event.error_code})`],
      ["type", orDash(event.event_type)],
      ["first seen", event.first_seen_at],
      ["last seen", orDash(event.last_seen_at)],
      ["changed", event.changed_at],
      ["next attempt", orDash(event.next_attempt_at)],
      ["attempts", `${event.attempts} counted of ${event.failures} failures, fence ${event.fence}`],
      ["body", `${event.body}, sha256 ${orDash(event.request_hash)}`]
    ]),
    "",
    event.facts.length === 0
      ? "no billing facts"
      : table([
          ["billing fact", "effect key", "amount", "ce_id"],
          ...event.facts.map(({ amount, effect_key, id, type }) => [
            type,
            effect_key,
            amount === null ? "-" : `${amount.value} ${amount.currency}`,
            id
          ])
        ]),
    "",
    ...(event.log_omitted === 0 ? [] : [`(${event.log_omitted} older rows of the log are not shown)`]),
    table([
      ["position", "time", "version", "event", "what it says"],
      ...event.log.map(({ at, data, position, type, version }) => [
        position,
        at,
        version,
        type,
        detailOf(data)
      ])
    ]),
    ...advice(event)
  ].join("\n")

export const countText = (found: ReadonlyArray<FoundCount>) =>
  found.length === 0
    ? "no event matches"
    : table([
        ["endpoint", "state", "code", "events"],
        ...found.map(({ count, endpoint, error_code, state }) => [endpoint, state, orDash(error_code), count])
      ])

export const reinterpretedText = (sums: Reinterpreted, dryRun: boolean) =>
  table([
    ["result", "events"],
    [dryRun ? "would book new facts" : "new facts booked", sums.booked],
    ["nothing new", sums.nothing_new],
    ["conflict with a booked amount", sums.conflict],
    ["changed meanwhile", sums.changed],
    ["could not be interpreted now", sums.failed],
    ["body cannot be opened", sums.sealed]
  ])
