import { readdirSync, readFileSync } from "node:fs"

/** Ticks of /proc a second; 100 on every Linux of today. */
const HZ = 100

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly seconds: number
  readonly ofEndedChildren: number
}

const statOf = (pid: number): Stat | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    const field = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return {
      pid,
      parent: Number(field[1]),
      group: Number(field[2]),
      seconds: (Number(field[11]) + Number(field[12])) / HZ,
      ofEndedChildren: (Number(field[13]) + Number(field[14])) / HZ
    }
  } catch {
    return undefined
  }
}

const all = (): ReadonlyArray<Stat> => {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => statOf(Number(name)) ?? [])
  } catch {
    return []
  }
}

/**
 * CPU seconds used so far by some processes and all that came of them, by name. Linux only: elsewhere 0. A number can be
 * read before and after; ended children count with their parent.
 */
export const cpuOf = (
  roots: Readonly<Record<string, ReadonlyArray<number>>>
): Readonly<Record<string, number>> => {
  const stats = all()
  const children = Map.groupBy(stats, ({ parent }) => parent)
  const sum = (pid: number, seen: Set<number>): number => {
    const own = stats.find((stat) => stat.pid === pid)
    if (own === undefined || seen.has(pid)) return 0
    seen.add(pid)
    return (children.get(pid) ?? []).reduce(
      (total, child) => total + sum(child.pid, seen),
      own.seconds + own.ofEndedChildren
    )
  }
  return Object.fromEntries(
    Object.entries(roots).map(([name, pids]) => [
      name,
      pids.reduce((total, pid) => total + sum(pid, new Set()), 0)
    ])
  )
}

/** CPU seconds that the whole machine was busy since it started: what others do shows here. */
export const machineCpu = (): number => {
  try {
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync("/proc/stat", "utf8")
      .split("\n", 1)[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number)
    return (user + nice + system + irq + softirq) / HZ
  } catch {
    return 0
  }
}

/** Resident memory in MB of some processes and what came of them. */
export const memoryOf = (pids: ReadonlyArray<number>): number => {
  const stats = all()
  const children = Map.groupBy(stats, ({ parent }) => parent)
  const sum = (pid: number): number => {
    let own = 0
    try {
      own = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
    } catch {
      // gone
    }
    return (children.get(pid) ?? []).reduce((total, child) => total + sum(child.pid), own)
  }
  return pids.reduce((total, pid) => total + sum(pid), 0)
}
