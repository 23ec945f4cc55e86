import { isExactlyOnce, isUnseen, kindOf, type Told } from "./EventVerdict.ts"

export interface Row {
  readonly provider: string
  readonly type: string
  readonly events: number
  readonly processed: number
  readonly already_processed: number
  readonly other: number
  readonly errors: number
  readonly p50_ms: number
  readonly p99_ms: number
}

export interface Report {
  readonly seed: string
  readonly verdict: "PASS" | "FAIL"
  readonly events: number
  readonly deliveries: number
  readonly seconds: number
  readonly per_second: number
  readonly rows: ReadonlyArray<Row>
  readonly total: Row
  /** How often each error or unusual answer came. */
  readonly trouble: Readonly<Record<string, number>>
  /** Attempts that were repeated because they got no 200. */
  readonly retried: number
  /** What they got instead, and how often. */
  readonly retried_after: Readonly<Record<string, number>>
  /** Events processed once, as the gate says in the end, whose `processed` got lost with such an attempt. */
  readonly processed_unseen: number
  /** Events that were not processed exactly once. */
  readonly failed: ReadonlyArray<{
    readonly endpoint: string
    readonly dedup_key: string
    readonly answers: string
  }>
}

const quantile = (sorted: ReadonlyArray<number>, part: number) =>
  Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) * 10) / 10

const rowOf = (provider: string, type: string, told: ReadonlyArray<Told>): Row => {
  const received = told.flatMap((one) => one.received)
  const count = (kind: ReturnType<typeof kindOf>) => received.filter((one) => kindOf(one) === kind).length
  const times = received.map(({ ms }) => ms).sort((a, b) => a - b)
  return {
    provider,
    type,
    events: told.length,
    processed: count("processed"),
    already_processed: count("already_processed"),
    other: count("other"),
    errors: count("error"),
    p50_ms: quantile(times, 0.5),
    p99_ms: quantile(times, 0.99)
  }
}

const answerText = ({ errorCode, httpStatus, state, status }: Told["received"][number]) =>
  (httpStatus === 200 ? ["200", status, state === "done" ? null : state] : [httpStatus || null, errorCode])
    .filter((part) => part !== null)
    .join(" ")

const grouped = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string) => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
}

const counted = (answers: Told["received"]) =>
  Object.fromEntries(grouped(answers, answerText).map(([text, group]) => [text, group.length]))

/** What came of a run, by provider and type of event. */
export const report = (seed: string, told: ReadonlyArray<Told>, ms: number): Report => {
  const rows = grouped(told, ({ event }) => `${event.endpoint} ${event.eventType}`).map(([, group]) =>
    rowOf(group[0]!.event.endpoint, group[0]!.event.eventType, group)
  )
  const received = told.flatMap((one) => one.received)
  const unusual = received.filter((one) => kindOf(one) === "error" || kindOf(one) === "other")
  const lost = told.flatMap((one) => one.lost)
  const failed = told.filter((one) => !isExactlyOnce(one))
  return {
    seed,
    verdict: failed.length === 0 && told.length > 0 ? "PASS" : "FAIL",
    events: told.length,
    deliveries: received.length,
    seconds: Math.round(ms) / 1000,
    per_second: ms === 0 ? 0 : Math.round((received.length * 1000) / ms),
    rows,
    total: rowOf("all", "", told),
    trouble: counted(unusual),
    retried: lost.length,
    retried_after: counted(lost),
    processed_unseen: told.filter((one) => isExactlyOnce(one) && isUnseen(one)).length,
    failed: failed.map(({ event, received: answers }) => ({
      endpoint: event.endpoint,
      dedup_key: event.dedupKey,
      answers: answers.length === 0 ? "not sent" : answers.map(answerText).join(", ")
    }))
  }
}
