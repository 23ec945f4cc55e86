import { readFileSync } from "node:fs"
import path from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { newSeed } from "../../src/infra/simulator/World.ts"
import { type Breaker, breakers } from "../mutants/breakers.ts"
import { CONSUMERS, GATES, kinds, type Named } from "./plan.ts"

const HELP = `npm run soak -- [options]

${GATES} gates, a relay in each, both providers with their tables of retries (a minute is 10 ms), ${CONSUMERS} consumers with a ledger, on a
Postgres and a Kafka of the run's own, while one fault after another strikes work in flight:
${kinds.join(", ")}.
At the end an auditor that shares no code with the gate reads answers, tables, topics and the ledger: lost, doubled, stuck,
out of order, wrongly acked. Exit code 0: all right; 1: not; 2: wrong options.

  --minutes N    length (default and least 2; a thorough run: 30)
  --seed TEXT    the same seed strikes the same faults in the same order (default: a new one, printed)
  --like REPORT  seed and length of an earlier run's report.json; fails also where the faults struck differ from its
  --mutant NAME  a control: without one mechanism, in a copy of the project; may be repeated. Passes where each is caught
  --list         names that --mutant takes
  --rate N       deliveries a second (default 160)
  --least N      acked deliveries below which the run says nothing (default: 45 a second)
  --folder DIR   where journal and report go (default .oncegate/soak)
  --json         the report on standard output, nothing else

  npm run soak -- --minutes 30
  npm run soak -- --like .oncegate/soak/report.json
  npm run soak -- --mutant answer-before-commit --mutant no-rescuer

Postgres is on a file system of its own in memory, to be filled; where that cannot be had (it takes root and 6 GB that are
free), disk_full is a trigger that refuses bodies, and the report says so.`

/** What an earlier run struck, and how to strike it again. */
export interface Before {
  readonly seed: string
  readonly minutes: number
  readonly faults: ReadonlyArray<Named>
}

export interface Options {
  readonly lengthMs: number
  readonly seed: string
  readonly before: Before | undefined
  readonly mutants: ReadonlyArray<Breaker>
  readonly rate: number
  readonly least: number
  readonly folder: string
  readonly json: boolean
}

const wrong = (text: string): never => {
  console.error(`soak: ${text}. See --help`)
  process.exit(2)
}

const parsed = () => {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string" },
        seed: { type: "string" },
        like: { type: "string" },
        mutant: { type: "string", multiple: true },
        list: { type: "boolean", default: false },
        rate: { type: "string", default: "160" },
        least: { type: "string" },
        folder: { type: "string", default: path.join(".oncegate", "soak") },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    return wrong((error as Error).message.split(". ")[0]!)
  }
}

const number = (name: string, text: string, least: number) => {
  const value = Number(text)
  return Number.isFinite(value) && value >= least ? value : wrong(`--${name} is a number from ${least}`)
}

const reportOf = (file: string): Before => {
  try {
    const { faults, minutes, seed } = JSON.parse(readFileSync(file, "utf8")) as Before
    if (typeof seed === "string" && typeof minutes === "number" && Array.isArray(faults))
      return { seed, minutes, faults }
  } catch {
    // said below
  }
  return wrong(`--like ${file} is no report of a soak`)
}

const mutantOf = (name: string) =>
  breakers.find((one) => one.name === name) ?? wrong(`--mutant ${name} is not known: --list names them`)

/** The command line. Ends the process where it asks for help, or is wrong. */
export const readOptions = (): Options => {
  const given = parsed()
  if (given.help || given.list) {
    console.log(
      given.help ? HELP : breakers.map(({ name, without }) => `${name.padEnd(36)} ${without}`).join("\n")
    )
    process.exit(0)
  }
  const before = given.like === undefined ? undefined : reportOf(given.like)
  if (before !== undefined && (given.seed !== undefined || given.minutes !== undefined))
    wrong("--like takes the place of --seed and --minutes")
  const lengthMs = number("minutes", given.minutes ?? String(before?.minutes ?? 2), 2) * 60_000
  return {
    lengthMs,
    seed: before?.seed ?? given.seed ?? newSeed(),
    before,
    mutants: (given.mutant ?? []).map(mutantOf),
    rate: number("rate", given.rate, 1),
    least: number("least", given.least ?? String(Math.floor((lengthMs / 1_000) * 45)), 1),
    folder: path.resolve(given.folder),
    json: given.json
  }
}
