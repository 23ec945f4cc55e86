import { mkdirSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { Console, Effect, Option, Result, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import * as Base from "./Base.ts"
import * as Ground from "./Ground.ts"
import type { Measured } from "./Measured.ts"
import type { CellResult, ScenarioResult } from "./report/summary.ts"
import { picture } from "./report/svg.ts"
import { scenarioText } from "./report/text.ts"
import { runCell } from "./runCell.ts"
import type { Scenario } from "./Scenario.ts"
import type { Settings } from "./Settings.ts"
import { scenarios } from "./scenarios.ts"

/** The command cannot do what was asked; the message says what to do. */
class BenchRefused extends Schema.TaggedError<BenchRefused>()("BenchRefused", { message: Schema.String }) {}

const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${text}\n`)

/** What ran, for whoever reads the figures later; nothing that names the machine. */
const conditions = async (ground: Ground.Ground, settings: Settings) => {
  const database = await Base.settingsOf(ground)
  return {
    settings,
    cores: settings.cores,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    postgres: database
  }
}

/** Every cell of a scenario in turn, round by round; each second round backwards, so that no cell is always the first. */
const measure = Effect.fnUntraced(function* (ground: Ground.Ground, scenario: Scenario, settings: Settings) {
  const rounds = new Map<string, Array<Measured>>(scenario.cells.map(({ name }) => [name, []]))
  const absent = new Map<string, string>()
  const last = scenario.once === true ? 1 : settings.rounds
  for (let round = 1; round <= last; round++) {
    for (const cell of round % 2 === 1 ? scenario.cells : scenario.cells.toReversed()) {
      if (absent.has(cell.name)) continue
      const result = yield* Effect.result(runCell(ground, cell, settings))
      if (Result.isFailure(result)) {
        absent.set(cell.name, result.failure.message)
        say(`${scenario.name}: ${cell.name} is left out: ${result.failure.message}`)
        continue
      }
      const measured = { round, ...result.success }
      rounds.get(cell.name)!.push(measured)
      const { isRight, latency, rate, readyMs, remarks } = measured
      say(
        [
          `${scenario.name} ${round}/${last}  ${cell.name}:`,
          rate === undefined
            ? readyMs === undefined
              ? ""
              : `ready after ${Math.round(readyMs)} ms`
            : `${Math.round(rate)}/s`,
          latency === undefined ? "" : `p50 ${latency.p50} p99 ${latency.p99} ms`,
          isRight ? "right" : "WRONG",
          ...remarks
        ]
          .filter((word) => word !== "")
          .join("  ")
      )
    }
  }
  return {
    name: scenario.name,
    title: scenario.title,
    reference: scenario.reference ?? scenario.cells[0]!.name,
    cells: scenario.cells.map(({ name }): CellResult => {
      const why = absent.get(name)
      return { name, rounds: rounds.get(name)!, ...(why === undefined ? {} : { absent: why }) }
    })
  } satisfies ScenarioResult
})

const names = scenarios({
  rounds: 0,
  seconds: 0,
  warmup: 0,
  keys: 0,
  away: 0,
  rate: 0,
  peers: false,
  cores: 0
}).map(({ name }) => name)

const chosen = (text: string, settings: Settings) => {
  const all = scenarios(settings)
  const wanted = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
  const unknown = wanted.find((name) => !names.includes(name))
  return unknown === undefined
    ? Effect.succeed(wanted.length === 0 ? all : all.filter(({ name }) => wanted.includes(name)))
    : Effect.fail(
        new BenchRefused({ message: `--scenario takes ${names.join(", ")}: "${unknown}" is none of them` })
      )
}

const whole = (name: string, minimum: number, value: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum, maximum: 100_000_000 }))),
    Flag.withDefault(value),
    Flag.withDescription(`${description} (default ${value})`)
  )

/** `npm run bench` */
export const bench = Command.make(
  "bench",
  {
    scenario: Flag.String("scenario").pipe(
      Flag.withDefault(""),
      Flag.withDescription(`only these, with commas: ${names.join(", ")}`)
    ),
    rounds: whole("rounds", 1, 3, "how often each cell is measured, in turn with all others"),
    seconds: whole("seconds", 1, 10, "measured time of a cell"),
    warmup: whole("warmup", 0, 3, "seconds before it, which do not count"),
    keys: whole("keys", 1, 10_000_000, "keys that are already there, in the scenario of that name"),
    away: whole("away", 5, 180, "seconds without Kafka, in the scenario outage, which is measured once"),
    rate: whole("rate", 1, 600, "webhooks a second in it"),
    peers: Flag.Boolean("peers").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "also what people use instead: DBOS, Restate, Redpanda Connect; installed on demand"
      )
    ),
    profile: Flag.String("profile").pipe(
      Flag.optional,
      Flag.withMetavar("FOLDER"),
      Flag.withDescription("leaves a CPU profile of each gate there; `node bench/flame.ts FILE` draws one")
    ),
    json: Flag.String("json").pipe(
      Flag.optional,
      Flag.withMetavar("FILE"),
      Flag.withDescription("where the raw data go (default: bench.json beside the pictures)")
    ),
    out: Flag.String("out").pipe(
      Flag.withDefault(path.join("docs", "bench")),
      Flag.withMetavar("FOLDER"),
      Flag.withDescription("where the pictures go (default docs/bench)")
    )
  },
  Effect.fnUntraced(function* ({ json, out, profile, scenario, ...given }) {
    const settings: Settings = {
      ...given,
      cores: os.availableParallelism(),
      profile: Option.getOrUndefined(Option.map(profile, (folder) => path.resolve(folder)))
    }
    const wanted = yield* chosen(scenario, settings)
    const folder = path.resolve(process.env.ONCEGATE_DATA_DIR ?? ".oncegate", "bench")
    mkdirSync(path.join(folder, "logs"), { recursive: true })
    mkdirSync(out, { recursive: true })
    yield* Effect.scoped(
      Effect.gen(function* () {
        say("starting Postgres, Kafka and the simulated providers")
        const ground = yield* Ground.start(folder, say)
        yield* Effect.promise(() => Base.sweep(ground))
        const under = yield* Effect.promise(() => conditions(ground, settings))
        const results: Array<ScenarioResult> = []
        for (const one of wanted) {
          const result = yield* measure(ground, one, settings)
          results.push(result)
          yield* Console.log(`\n${scenarioText(result)}`)
          // After each: a run that is cut short leaves what it has.
          writeFileSync(
            Option.getOrElse(json, () => path.join(out, "bench.json")),
            `${JSON.stringify({ ...under, scenarios: results }, null, 1)}\n`
          )
          const drawn = picture(result)
          if (drawn !== undefined) writeFileSync(path.join(out, `${one.name}.svg`), drawn)
        }
      })
    )
  })
).pipe(
  Command.withDescription(
    "Measures the gate as it runs in production, in one run with what it is compared with: the same Postgres and Kafka " +
      "(DATABASE_URL, KAFKA_BROKERS, else started here), rounds in turn. Each measurement ends with a count of every " +
      "record and with the audit: what is wrong does not count."
  )
)
