import { spawnSync } from "node:child_process"
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import process from "node:process"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Effect, Fiber } from "effect"
import { newSeed } from "../../src/infra/simulator/World.ts"
import { command } from "../support/ServeProcess.ts"
import { open, PREFIX } from "./house.ts"
import { type Line, makeLoad } from "./load.ts"
import { kinds, plan } from "./plan.ts"
import { type Struck, strike } from "./strike.ts"

const HELP = `npm run soak -- [options]

Three gates, a relay in each, both providers, on a Postgres and a Kafka of the run's own, while one fault after another
strikes work in flight: ${kinds.join(", ")}.
At the end an auditor that shares no code with the gate reads answers, tables and topics: lost, doubled, stuck, out of
order, wrongly acked. Exit code 0: all right; 1: not; 2: wrong options.

  --minutes N   length (default 2; a thorough run: 30)
  --seed TEXT   the same seed strikes the same faults in the same order (default: a new one, printed)
  --rate N      deliveries a second (default 160)
  --least N     acked deliveries below which the run says nothing (default: 45 a second)
  --folder DIR  where journal and report go (default .oncegate/soak)
  --json        the report on standard output, nothing else

  npm run soak -- --minutes 30
  npm run soak -- --minutes 2 --seed 1795341797894-f00d`

const wrong = (text: string): never => {
  console.error(`soak: ${text}. See --help`)
  process.exit(2)
}
const options = (() => {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string", default: "2" },
        seed: { type: "string" },
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
})()
if (options.help) {
  console.log(HELP)
  process.exit(0)
}
const number = (name: string, text: string, least: number) => {
  const value = Number(text)
  return Number.isFinite(value) && value >= least ? value : wrong(`--${name} is a number from ${least}`)
}
const lengthMs = number("minutes", options.minutes, 1.5) * 60_000
const rate = number("rate", options.rate, 1)
const least = number("least", options.least ?? String(Math.floor((lengthMs / 1_000) * 45)), 1)
const seed = options.seed ?? newSeed()
const GATES = 3

const folder = path.resolve(options.folder)
mkdirSync(folder, { recursive: true })
const journalFile = path.join(folder, "journal.jsonl")
const journal = createWriteStream(journalFile)
const write = (line: Line) => void journal.write(`${JSON.stringify(line)}\n`)
const say = (text: string) => {
  if (!options.json) console.error(text)
}

const soak = Effect.gen(function* () {
  say(`seed ${seed}: ${lengthMs / 60_000} min, ${rate} deliveries a second`)
  const house = yield* open(GATES)
  const load = yield* makeLoad(house, { seed, rate, write })
  const begun = performance.now()
  const elapsed = () => performance.now() - begun
  const playing = yield* Effect.forkScoped(load.run)
  const struck: Array<Struck> = []

  for (const fault of plan(seed, lengthMs, GATES)) {
    yield* Effect.promise(async () => {
      if (fault.at > elapsed()) await pause(fault.at - elapsed())
      // A gate that a fault left without a process is a fault of the run, told by the next one's failure.
      const one = await strike(house, fault, load.inFlight)
      struck.push(one)
      write({ t: "fault", ...one })
      say(
        `${String(Math.round(elapsed() / 1_000)).padStart(5)} s  ${one.kind.padEnd(14)} gate ${one.gate + 1}  in flight ${String(one.inFlight).padStart(3)}  acked ${load.acked()} of ${load.sent()}`
      )
    })
  }
  const lastFault = elapsed()
  if (lengthMs > elapsed()) yield* Effect.sleep(lengthMs - elapsed())
  load.stop()
  yield* Fiber.join(playing)
  // What the last answers promised: the rescuer and the relay have a moment for it.
  const open_ = Effect.promise(async () => {
    const [row] = await house.sql<Array<{ open: number }>>`
      SELECT count(*)::int AS open FROM webhook_dedup_events
       WHERE status <> 'done' AND error_code IS DISTINCT FROM 'unconfirmed'`
    return row!.open
  })
  for (let waited = 0; waited < 60 && (yield* open_) > 0; waited += 1) yield* Effect.sleep(1_000)
  const died = house.places.filter(({ serving }) => serving().child.exitCode !== null)
  for (const { serving, url } of died)
    writeFileSync(path.join(folder, `died-${new URL(url).port}.log`), serving().output().slice(-100_000))
  write({ t: "end", seed, kinds, least, died: died.length, tail_from: lastFault })
  yield* Effect.promise(() => new Promise<void>((resolve) => journal.end(resolve)))

  say("the auditor reads answers, tables and topics ..")
  const auditor = spawnSync(
    process.execPath,
    [
      fileURLToPath(new URL("auditor.mjs", import.meta.url)),
      journalFile,
      house.databaseUrl,
      house.brokers.join(","),
      PREFIX
    ],
    { encoding: "utf8", maxBuffer: 1 << 28 }
  )
  const verdict = auditor.status === 2 ? undefined : JSON.parse(auditor.stdout)
  if (verdict === undefined) say(auditor.stderr)
  const own = yield* Effect.promise(() => command(["audit"], house.environment))
  const report = {
    seed,
    minutes: lengthMs / 60_000,
    deliveries_acked: load.acked(),
    faults: struck.map(({ at, gate, inFlight, kind }) => ({ at, kind, gate, in_flight: inFlight })),
    ...verdict,
    oncegate_audit: own.code === 0 ? "clean" : "differs"
  }
  writeFileSync(path.join(folder, "report.json"), `${JSON.stringify(report, null, 1)}\n`)
  if (options.json) console.log(JSON.stringify(report))
  else {
    for (const [name, value] of Object.entries(verdict?.counts ?? {})) say(`${name.padEnd(24)} ${value}`)
    for (const finding of (verdict?.findings ?? []).slice(0, 20)) say(`  ${JSON.stringify(finding)}`)
    say(`oncegate audit           ${report.oncegate_audit}`)
    if (own.code !== 0) say(own.output.slice(-2_000))
    say(`report: ${path.join(options.folder, "report.json")}`)
  }
  return auditor.status === 0 && own.code === 0
})

const isGood = await Effect.runPromise(Effect.scoped(soak))
say(isGood ? "PASS" : "FAIL")
process.exit(isGood ? 0 : 1)
