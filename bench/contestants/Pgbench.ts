import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { Effect } from "effect"
import * as Base from "../Base.ts"
import { Absent } from "../Contestant.ts"
import { cpuOf, machineCpu } from "../Cpu.ts"
import type { Ground } from "../Ground.ts"
import { run } from "../Process.ts"
import { percentile } from "../percentile.ts"
import { migrated } from "./Gate.ts"
import { script } from "./pgbench.sql.ts"

/** Debian keeps it beside each server version; `PGBENCH` names another. */
const find = () => {
  const home = "/usr/lib/postgresql"
  const versions = existsSync(home) ? readdirSync(home).sort((a, b) => Number(b) - Number(a)) : []
  const candidates = [
    ...(process.env.PGBENCH ? [process.env.PGBENCH] : []),
    ...(process.env.PATH ?? "").split(path.delimiter).map((folder) => path.join(folder, "pgbench")),
    ...versions.map((version) => path.join(home, version, "bin", "pgbench"))
  ]
  return candidates.find((file) => existsSync(file))
}

/** Latencies in milliseconds from pgbench's log of each transaction. */
const latencies = (folder: string) => {
  const all: Array<number> = []
  for (const name of readdirSync(folder).filter((file) => file.startsWith("tx.")))
    for (const line of readFileSync(path.join(folder, name), "utf8").split("\n")) {
      const us = line.split(" ")[2]
      if (us !== undefined) all.push(Number(us) / 1000)
    }
  return all.sort((a, b) => a - b)
}

/** Rate and latency of the row-at-a-time client: warm-up apart, then `seconds`. */
export const measure = Effect.fnUntraced(function* (
  ground: Ground,
  options: { readonly clients: number; readonly warmup: number; readonly seconds: number }
) {
  const pgbench = find()
  if (pgbench === undefined)
    return yield* new Absent({ message: "pgbench is not installed (Debian: postgresql-contrib)" })
  const base = yield* Base.fresh(ground)
  yield* migrated(base.url)
  return yield* Effect.tryPromise({
    try: async () => {
      const folder = path.join(ground.folder, "pgbench")
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true })
      const file = path.join(folder, "events.sql")
      writeFileSync(file, script)
      const go = (name: string, seconds: number) =>
        run(
          pgbench,
          [
            ...["-n", "-M", "prepared", "-c", String(options.clients), "-j", "2", "-T", String(seconds)],
            ...["-D", "n=0", "-D", `run=${name === "tx" ? 1 : 0}`, "-f", file],
            ...["-l", `--log-prefix=${path.join(folder, name)}`, base.url]
          ],
          { timeoutMs: (seconds + 60) * 1000 }
        )
      await go("warm", Math.max(1, options.warmup))
      const before = await Base.counters(base)
      const cpu = cpuOf({ postgres: ground.pids.postgres })
      const machine = machineCpu()
      // pgbench itself ends before its CPU can be read: its cost is that of our ended children.
      const { out } = await go("tx", options.seconds)
      const busy = machineCpu() - machine
      const after = await Base.counters(base)
      const used = (cpuOf({ postgres: ground.pids.postgres }).postgres ?? 0) - (cpu.postgres ?? 0)
      const rate = Number(/tps = ([\d.]+)/.exec(out)?.[1])
      const failed = Number(/failed transactions: (\d+)/.exec(out)?.[1] ?? 0)
      const [row] = await base.sql<Array<{ open: number; done: number; log: number }>>`
        SELECT count(*) FILTER (WHERE status <> 'done')::int AS open, count(*) FILTER (WHERE status = 'done')::int AS done,
               (SELECT count(*)::int FROM webhook_event_log) AS log FROM webhook_dedup_events`
      const sorted = latencies(folder)
      const clean = sorted.length > 0 && failed === 0 && row!.open === 0 && row!.log === 2 * row!.done
      return {
        rate,
        measured: sorted.length,
        latency: {
          p50: percentile(sorted, 0.5),
          p90: percentile(sorted, 0.9),
          p99: percentile(sorted, 0.99),
          p999: percentile(sorted, 0.999),
          max: sorted.at(-1) ?? 0,
          mean: sorted.reduce((sum, one) => sum + one, 0) / Math.max(1, sorted.length)
        },
        cpu: { postgres: used, others: busy - used },
        walBytes: after.walBytes - before.walBytes,
        fullPages: after.fullPages - before.fullPages,
        commits: after.commits - before.commits,
        isClean: clean,
        text: clean ? `${row!.done} rows done, ${row!.log} rows of log` : JSON.stringify({ failed, ...row })
      }
    },
    catch: (error) => new Absent({ message: `pgbench: ${(error as Error).message}` })
  })
})
