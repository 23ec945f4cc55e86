import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import path from "node:path"
import process from "node:process"
import type { Breaker } from "../mutants/breakers.ts"
import { breakCopy, copyProject } from "../mutants/Copy.ts"
import type { Options } from "./options.ts"

interface Report {
  readonly counts?: Readonly<Record<string, number>>
  readonly findings?: ReadonlyArray<{ readonly what: string }>
  readonly oncegate_audit: string
}

/** How often what was found, the most frequent first. */
const inShort = ({ findings = [], oncegate_audit }: Report) => {
  const counts = new Map<string, number>()
  for (const { what } of findings) counts.set(what, (counts.get(what) ?? 0) + 1)
  const found = [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([what, times]) => `${what} x ${times}`)
  return [...found.slice(0, 4), ...(oncegate_audit === "clean" ? [] : ["oncegate audit differs"])].join("; ")
}

/** Findings about the run, which say nothing about what it ran over. */
const OF_THE_RUN: ReadonlySet<string> = new Set(["too few acked", "a fault that struck no work"])
const isBroken = ({ findings = [], oncegate_audit }: Report) =>
  oncegate_audit !== "clean" || findings.some(({ what }) => !OF_THE_RUN.has(what))

const runCopy = (copy: string, folder: string, { least, lengthMs, rate, seed }: Options) =>
  new Promise<number | null>((resolve) => {
    const child = spawn(
      process.execPath,
      [
        path.join(copy, "test", "soak", "main.ts"),
        ...["--minutes", String(lengthMs / 60_000), "--seed", seed, "--rate", String(rate)],
        ...["--least", String(least), "--folder", folder, "--json"]
      ],
      { cwd: copy, stdio: ["ignore", "ignore", "inherit"] }
    )
    const stop = () => child.kill("SIGTERM")
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop)
    child.once("exit", (code) => {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, stop)
      resolve(code)
    })
  })

/**
 * A soak over a copy of the project without one mechanism. It is caught where the soak comes to its end, with findings;
 * that the soak itself is in order is for a run without a mutant to show.
 */
export const control = async (mutant: Breaker, options: Options) => {
  const folder = path.join(options.folder, mutant.name)
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, "report.json")
  rmSync(file, { force: true })
  const copy = copyProject()
  const begun = performance.now()
  try {
    breakCopy(copy, mutant)
    const code = await runCopy(copy, folder, options)
    const seconds = Math.round((performance.now() - begun) / 1_000)
    const report = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Report) : undefined
    if (report !== undefined && code === 1)
      return { isCaught: isBroken(report), seconds, by: inShort(report) }
    return { isCaught: false, seconds, by: code === 0 ? "nothing was found" : `the run ended with ${code}` }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
