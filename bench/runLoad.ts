import * as Base from "./Base.ts"
import type { Running } from "./Contestant.ts"
import { cpuOf, machineCpu, memoryOf } from "./Cpu.ts"
import type { Ground } from "./Ground.ts"
import { expected, faultsOf, judge } from "./judge.ts"
import * as Ledger from "./Ledger.ts"
import { load } from "./Load.ts"
import type { LoadPlan } from "./load/LoadPlan.ts"
import type { Measured } from "./Measured.ts"
import { percentile } from "./percentile.ts"
import type { Portion } from "./prepare/mixed.ts"
import { read } from "./prepare/mixed.ts"
import type { Cell, LoadSpec } from "./Scenario.ts"
import type { Settings } from "./Settings.ts"
import * as Statements from "./statements.ts"

const PAYPAL = [{ pool: { kind: "paypal", bytes: 0 }, share: 1 }] as const
const CEILING = 10_000
/** Deliveries of a load of `hot` keys: the one, and nothing else. */
const HOT = 1
/** Past this part of one core, or of its loop's time, the load process itself is what was measured. */
const LOAD_LIMIT = 0.85
/** Of the machine's time, used by nobody of ours: the round was disturbed. */
const OTHERS_LIMIT = 0.1
const MEMORY_EVERY_MS = 500
/** Nothing more comes: a lease may have to run out first. */
export const QUIET_MS = 45_000

/** Which deliveries, of which files; the simulated Toss knows the payments before they are told of. */
export const portionsOf = async (
  ground: Ground,
  spec: LoadSpec,
  settings: Settings
): Promise<ReadonlyArray<Portion>> => {
  const seconds = settings.warmup + settings.seconds * (spec.lasts ?? 1)
  const perSecond = spec.rate ?? spec.ceiling ?? CEILING
  const all =
    spec.order === "hot" ? HOT : Math.ceil((perSecond * seconds) / (spec.order === "copies" ? 4 : 1))
  const portions: Array<Portion> = []
  for (const { pool, share } of spec.mix ?? PAYPAL) {
    const count = Math.max(1, Math.round(all * share))
    const portion = { files: await ground.pool.files(pool, count), count }
    portions.push(portion)
    if (pool.kind === "toss") await deposit(ground, portion)
  }
  return portions
}

const deposit = async ({ simulator }: Ground, portion: Portion) => {
  let payments: Array<unknown> = []
  const put = () =>
    fetch(`${simulator.origin}/_simulator/deposits`, { method: "PUT", body: JSON.stringify({ payments }) })
  for await (const { payment } of read(portion)) {
    payments.push(payment)
    if (payments.length < 500) continue
    await put()
    payments = []
  }
  if (payments.length > 0) await put()
}

const setFaults = ({ simulator }: Ground, share: number) =>
  fetch(`${simulator.origin}/_simulator/faults`, {
    method: "PUT",
    body: JSON.stringify(share > 0 ? { api: "toss", status: 500, share } : {})
  })

/** CPU and WAL at one moment. */
const snapshot = async (ground: Ground, running: Running) => ({
  at: performance.now(),
  cpu: cpuOf({ contestant: running.pids(), ...ground.pids, bench: [process.pid] }),
  machine: machineCpu(),
  counters: await Base.counters(running.base)
})

/** One load on one running contestant, to the last record and the audit. */
export const runLoad = async (
  ground: Ground,
  running: Running,
  cell: Extract<Cell, { kind: "load" }>,
  portions: ReadonlyArray<Portion>,
  settings: Settings
): Promise<Omit<Measured, "round">> => {
  const spec = cell.load
  const plan: LoadPlan = {
    portions,
    ...running.speak,
    connections: spec.connections,
    order: spec.order ?? "unique",
    cycle: spec.cycle ?? false,
    warmupMs: settings.warmup * 1000,
    measureMs: settings.seconds * (spec.lasts ?? 1) * 1000,
    rate: spec.rate ?? 0,
    resend: false,
    tellEvery: 0
  }
  await setFaults(ground, spec.apiFails ?? 0)
  const hasStatements = await Statements.forget(running.base)
  const watched = cell.watch === true ? await Ledger.follow(ground, running.topic, running.idOf) : undefined
  const series: Array<number> = []
  const memory = setInterval(() => series.push(Math.round(memoryOf(running.pids()))), MEMORY_EVERY_MS)
  let before: Promise<Awaited<ReturnType<typeof snapshot>>> | undefined
  let after: typeof before
  let watchedFrom = 0
  const result = await load(plan, {
    onWarm: () => {
      before = snapshot(ground, running)
      watchedFrom = watched?.delays.length ?? 0
    },
    onOver: () => {
      after = snapshot(ground, running)
    }
  }).finally(() => {
    clearInterval(memory)
    return setFaults(ground, 0)
  })
  const [from, to] = [await before!, await after!]
  const statements = hasStatements ? await Statements.dearest(running.base) : undefined
  const delays = watched === undefined ? [] : watched.delays.slice(watchedFrom).sort((a, b) => a - b)

  const wanted = await expected(portions, result, running.nameOf)
  const published = performance.now()
  await running.publish?.()
  const drained = performance.now()
  const seen = watched ?? (await Ledger.follow(ground, running.topic, running.idOf))
  const settleSeconds = await Ledger.settled(seen, QUIET_MS, () => seen.byId.size >= wanted.acked.size)
  const drainRate = seen.records / seen.spanSeconds
  await Ledger.settled(seen, 1_000, () => false) // what comes once too often comes late
  const found = judge(wanted, seen)
  const own = await running.examine?.()
  const sizes = await Base.sizes(running.base)
  await seen.stop()

  const seconds = (to.at - from.at) / 1000
  const cpu = {
    ...Object.fromEntries(Object.keys(to.cpu).map((name) => [name, to.cpu[name]! - from.cpu[name]!])),
    load: result.cpuSeconds
  } as Record<string, number>
  // The load process is a child of this one: counted once.
  cpu.bench = Math.max(
    0,
    (cpu.bench ?? 0) -
      Object.entries(cpu).reduce((sum, [name, used]) => (name === "bench" ? sum : sum + used), 0)
  )
  cpu.others = Math.max(
    0,
    to.machine - from.machine - Object.values(cpu).reduce((sum, used) => sum + used, 0)
  )

  const cores = settings.cores
  const remarks = faultsOf(wanted, found, result.answers, own)
  const isRight = remarks.length === 0 && result.measured > 0
  return {
    isRight,
    remarks: [
      ...remarks,
      ...(result.measured === 0 ? ["nothing was measured: more deliveries or a shorter warm-up"] : []),
      ...(plan.rate === 0 && Math.max(result.busy, result.cpuSeconds / seconds) > LOAD_LIMIT
        ? ["the load generator is the bottleneck"]
        : []),
      ...(cpu.others > OTHERS_LIMIT * cores * seconds
        ? [`disturbed: others used ${(cpu.others / seconds).toFixed(2)} cores`]
        : []),
      ...(result.ranDry ? [`all deliveries were sent after ${result.seconds.toFixed(1)} s`] : [])
    ],
    rate: result.rate,
    measured: result.measured,
    latency: result.latency,
    answers: result.answers,
    perSecond: result.perSecond,
    cpu,
    seconds,
    walBytes: to.counters.walBytes - from.counters.walBytes,
    walRecords: to.counters.walRecords - from.counters.walRecords,
    fullPages: to.counters.fullPages - from.counters.fullPages,
    commits: to.counters.commits - from.counters.commits,
    readyMs: running.readyMs,
    memoryMb: { most: Math.max(0, ...series), last: series.at(-1) ?? 0, series },
    settleSeconds: settleSeconds + (drained - published) / 1000,
    ...(running.publish === undefined ? {} : { drainRate }),
    records: seen.records,
    ...found,
    cut: result.cut,
    ...(watched === undefined
      ? {}
      : {
          visible: {
            p50: percentile(delays, 0.5),
            p99: percentile(delays, 0.99),
            max: delays.at(-1) ?? 0
          }
        }),
    sizes,
    ...(statements === undefined ? {} : { statements })
  }
}
