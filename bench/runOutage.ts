import { openSync, readSync } from "node:fs"
import { Effect } from "effect"
import { WANTED } from "../src/infra/postgres/LogReader.ts"
import type { Base } from "./Base.ts"
import type { Running } from "./Contestant.ts"
import { memoryOf } from "./Cpu.ts"
import type { Ground } from "./Ground.ts"
import { expected, faultsOf, judge } from "./judge.ts"
import * as Ledger from "./Ledger.ts"
import { load } from "./Load.ts"
import type { LoadResult } from "./load/LoadPlan.ts"
import type { Measured, Phase } from "./Measured.ts"
import { percentile } from "./percentile.ts"
import type { Portion } from "./prepare/mixed.ts"
import { QUIET_MS } from "./runLoad.ts"
import type { Cell, LoadSpec } from "./Scenario.ts"
import type { Settings } from "./Settings.ts"

/** What is promised: records a second while the load goes on, and milliseconds from commit to visible. */
const DRAIN_RATE = 20_000
const VISIBLE_MS = 1_000
/** Load after Kafka is back, in which the backlog should drain. */
const AFTER_SECONDS = 60
/** So long it must last to count. */
const STEADY_MS = 5_000
const LOOK_MS = 500

/** The three parts: with Kafka for the seconds of a cell, without it, and with it again. */
const secondsOf = (settings: Settings) => settings.seconds + settings.away + AFTER_SECONDS

/** As much load as they take. */
export const loadOf = (spec: LoadSpec, settings: Settings): LoadSpec => ({
  ...spec,
  lasts: secondsOf(settings) / settings.seconds
})

/** Of the gate, at one moment of the clock. */
interface Look {
  readonly at: number
  readonly memoryMb: number
  readonly sessions: number
  readonly logLines: number
}

interface Batch {
  readonly position: number
  readonly createdAt: number
  readonly confirmedAt: number | null
}

/** A line for each webhook is in the gate's log by design. */
const OF_A_WEBHOOK = '"event":"WEBHOOK_RECEIVED"'

/** Counts, at each call, the lines of a growing file that are not of a single webhook. */
const otherLines = (file: string | undefined) => {
  if (file === undefined) return () => 0
  const input = openSync(file, "r")
  let rest = ""
  let count = 0
  return () => {
    const chunk = Buffer.alloc(1_048_576)
    for (let size = readSync(input, chunk); size > 0; size = readSync(input, chunk)) {
      const lines = (rest + chunk.toString("latin1", 0, size)).split("\n")
      rest = lines.pop()!
      count += lines.filter((line) => !line.includes(OF_A_WEBHOOK)).length
    }
    return count
  }
}

const quantiles = (values: ReadonlyArray<number>) => {
  const sorted = [...values].sort((a, b) => a - b)
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}

/** Looks at the gate and at the relay's batches, again and again. */
const watch = ({ base, log, pids }: Running) => {
  const { sql } = base
  const logLines = otherLines(log)
  const looks: Array<Look> = []
  const batches = new Map<number, Batch>()
  let isOver = false
  let confirmedTo = 0
  const look = async () => {
    const rows = await sql<
      Array<{ batch: string; position: string; created: number; confirmed: number | null }>
    >`SELECT batch, position, extract(epoch FROM created_at)::float8 * 1000 AS created,
             extract(epoch FROM confirmed_at)::float8 * 1000 AS confirmed
        FROM relay_checkpoint WHERE batch >= ${confirmedTo}`
    for (const { batch, confirmed, created, position } of rows) {
      batches.set(Number(batch), { position: Number(position), createdAt: created, confirmedAt: confirmed })
      if (confirmed !== null) confirmedTo = Math.max(confirmedTo, Number(batch))
    }
    const [{ sessions }] = await sql<[{ sessions: number }]>`
      SELECT count(*)::int AS sessions FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'oncegate %'`
    looks.push({ at: Date.now(), memoryMb: memoryOf(pids()), sessions, logLines: logLines() })
  }
  const done = (async () => {
    while (!isOver) {
      await look()
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  })()
  done.catch(() => {}) // told where it is stopped
  return {
    looks,
    batches,
    stop: async () => {
      isOver = true
      await done
    }
  }
}

const headOf = async ({ sql }: Base) => {
  const [row] = await sql<[{ head: string }]>`SELECT last_value AS head FROM webhook_event_log_position_seq`
  return Number(row.head)
}

const published = async ({ sql }: Base) => {
  const [row] = await sql<[{ position: string }]>`
    SELECT coalesce(max(position), -1) AS position FROM relay_checkpoint WHERE confirmed_at IS NOT NULL`
  return Number(row.position)
}

/** Records that the rows between two positions make. */
const recordsOf = async ({ sql }: Base, after: number, to: number) => {
  const [row] = await sql.unsafe<[{ records: string }]>(
    `SELECT count(*) AS records FROM webhook_event_log l WHERE l.position > ${after} AND l.position <= ${to} AND ${WANTED}`
  )
  return Number(row.records)
}

const phaseOf = (
  name: string,
  [from, to]: readonly [number, number],
  each: NonNullable<LoadResult["each"]>,
  warmAt: number,
  looks: ReadonlyArray<Look>
): Phase => {
  const took = each.flatMap(([at, ms]) => (warmAt + at >= from && warmAt + at < to ? [ms] : []))
  const seen = looks.filter(({ at }) => at >= from && at < to)
  const seconds = (to - from) / 1000
  return {
    name,
    seconds,
    rate: took.length / seconds,
    ...quantiles(took),
    memoryMb: Math.max(0, ...seen.map(({ memoryMb }) => memoryMb)),
    sessions: Math.max(0, ...seen.map(({ sessions }) => sessions)),
    logLinesPerMinute: (((seen.at(-1)?.logLines ?? 0) - (seen[0]?.logLines ?? 0)) * 60) / seconds
  }
}

/** When the last second ended in which one fact of a hundred was late; and all delays behind it. */
const visibleAgain = (seen: Ledger.Seen, backAt: number) => {
  const bySecond = Map.groupBy(
    seen.readAt.map((at, n) => ({ at, delay: seen.delays[n]! })).filter(({ at }) => at >= backAt),
    ({ at }) => Math.floor((at - backAt) / 1000)
  )
  const late = [...bySecond].filter(
    ([, facts]) => quantiles(facts.map(({ delay }) => delay)).p99 >= VISIBLE_MS
  )
  const second = Math.max(0, ...late.map(([number]) => number + 1))
  return {
    second,
    delays: [...bySecond].flatMap(([number, facts]) =>
      number < second ? [] : facts.map(({ delay }) => delay)
    )
  }
}

/**
 * A steady load; in the middle of it Kafka is stopped, for minutes, and started again. The answers before, meanwhile and
 * after; how fast the backlog goes away under the load; when facts are visible at once again; and everything counted.
 */
export const runOutage = async (
  ground: Ground,
  running: Running,
  cell: Extract<Cell, { kind: "outage" }>,
  portions: ReadonlyArray<Portion>,
  settings: Settings
): Promise<Omit<Measured, "round">> => {
  const kafka = ground.kafka!
  const { base } = running
  const pause = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000))
  const watched = watch(running)
  let warmAt = 0
  const outage = Promise.withResolvers<{
    stoppedAt: number
    backAt: number
    before: number
    head: number
    seen: Ledger.Seen
  }>()
  outage.promise.catch(() => {}) // told when the load is over
  const takeAway = async () => {
    await pause(settings.seconds)
    const before = await published(base)
    const stoppedAt = Date.now()
    await Effect.runPromise(kafka.stop)
    ground.say("outage: Kafka is away")
    await pause(settings.away - (Date.now() - stoppedAt) / 1000)
    await Effect.runPromise(kafka.start)
    const [backAt, head] = [Date.now(), await headOf(base)]
    ground.say("outage: Kafka is back")
    return { stoppedAt, backAt, before, head, seen: await Ledger.follow(ground, running.topic, running.idOf) }
  }
  const result = await load(
    {
      portions,
      ...running.speak,
      connections: cell.load.connections,
      order: "unique",
      cycle: false,
      warmupMs: settings.warmup * 1000,
      measureMs: secondsOf(settings) * 1000,
      rate: cell.load.rate,
      resend: false,
      tellEvery: 0,
      eachAnswer: true
    },
    {
      onWarm: () => {
        warmAt = Date.now()
        takeAway().then(outage.resolve, outage.reject)
      }
    }
  )
  const overAt = Date.now()
  const { backAt, before, head, seen, stoppedAt } = await outage.promise
  const wanted = await expected(portions, result, running.nameOf)
  await Ledger.settled(seen, QUIET_MS, () => seen.byId.size >= wanted.acked.size)
  await Ledger.settled(seen, 1_000, () => false) // what comes once too often comes late
  await watched.stop()
  const found = judge(wanted, seen)
  const backlog = await recordsOf(base, before, head)
  const own = await running.examine?.()
  await seen.stop()

  const batches = [...watched.batches.values()].filter(({ createdAt }) => createdAt >= backAt)
  const firstAt = Math.min(...batches.map(({ createdAt }) => createdAt))
  const drainedAt = Math.min(
    ...batches.flatMap(({ confirmedAt, position }) =>
      position >= head && confirmedAt !== null ? [confirmedAt] : []
    )
  )
  const again = visibleAgain(seen, backAt)
  const goodAt = Math.min(overAt, Math.max(drainedAt, backAt + again.second * 1000))
  const recordsPerSecond = (backlog * 1000) / (drainedAt - firstAt)
  const phases = (
    [
      ["before", [warmAt, stoppedAt]],
      ["away", [stoppedAt, backAt]],
      ["draining", [backAt, goodAt]],
      ["after", [goodAt, overAt]]
    ] as const
  ).map(([name, time]) => phaseOf(name, time, result.each ?? [], warmAt, watched.looks))
  const remarks = [
    ...faultsOf(wanted, found, result.answers, own),
    ...(drainedAt < overAt ? [] : ["the backlog was not drained while the load went on"])
  ]
  return {
    isRight: remarks.length === 0,
    remarks: [
      ...remarks,
      ...(backAt + again.second * 1000 > overAt - STEADY_MS
        ? ["facts were not visible within a second again while the load went on"]
        : []),
      ...(recordsPerSecond < DRAIN_RATE ? [`drained at fewer than ${DRAIN_RATE} records a second`] : []),
      ...(own?.isClean === true ? [`audit ${own.text}`] : [])
    ],
    rate: result.rate,
    measured: result.measured,
    latency: result.latency,
    answers: result.answers,
    perSecond: result.perSecond,
    records: seen.records,
    ...found,
    cut: result.cut,
    outage: {
      awaySeconds: (backAt - stoppedAt) / 1000,
      phases,
      backlog,
      firstBatchSeconds: (firstAt - backAt) / 1000,
      drainedSeconds: (drainedAt - backAt) / 1000,
      recordsPerSecond,
      visibleSeconds: again.second,
      visible: quantiles(again.delays)
    }
  }
}
