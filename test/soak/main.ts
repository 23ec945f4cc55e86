import { spawn } from "node:child_process"
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs"
import path from "node:path"
import process from "node:process"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { Effect, Fiber } from "effect"
import { command } from "../support/ServeProcess.ts"
import { control } from "./control.ts"
import { type House, open, PREFIX } from "./house.ts"
import { type Line, makeLoad } from "./load.ts"
import { readOptions } from "./options.ts"
import { digestOf, firstDifference, kinds, plan } from "./plan.ts"
import { type Struck, strike } from "./strike.ts"

const options = readOptions()
const { before, folder, least, lengthMs, rate, seed } = options
const say = (text: string) => {
  if (!options.json) console.error(text)
}

/** At least so long the run goes on in peace, however late the last fault was. */
const PEACE_MS = 30_000
/** After so long nothing of the last fault is an excuse. */
const GRACE_MS = 15_000

/** What the last answers promised: the rescuer, the relay and the consumers have a moment for it. */
const settled = (house: House) =>
  Effect.promise(async () => {
    for (let waited = 0; waited < 60; waited += 1) {
      const [row] = await house.sql<Array<{ open: number }>>`
        SELECT count(*)::int AS open FROM webhook_dedup_events
         WHERE status <> 'done' AND error_code IS DISTINCT FROM 'unconfirmed'`
      if (row!.open === 0) return
      await pause(1_000)
    }
  })

/** Who ended without having been killed. */
const diedOf = ({ consumers, places }: House) => ({
  gates: places.filter(({ serving }) => serving().child.exitCode !== null).length,
  consumers: consumers.died()
})

/** What gates and consumers said last, beside the journal: for whoever looks for the reason of a finding. */
const keepLogs = ({ consumers, places }: House) => {
  for (const [index, { serving }] of places.entries())
    writeFileSync(path.join(folder, `gate-${index + 1}.log`), serving().output().slice(-1_000_000))
  writeFileSync(path.join(folder, "consumers.log"), consumers.output())
}

/** Beside us, not instead of us: the proxies run in this process, and the relay has its last records to publish. */
const audited = (args: ReadonlyArray<string>) =>
  new Promise<{ readonly status: number | null; readonly stdout: string }>((resolve) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("auditor.mjs", import.meta.url)), ...args], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let stdout = ""
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.once("close", (status) => resolve({ status, stdout }))
  })

const soak = Effect.gen(function* () {
  say(`seed ${seed}: ${lengthMs / 60_000} min, ${rate} deliveries a second`)
  mkdirSync(folder, { recursive: true })
  const journalFile = path.join(folder, "journal.jsonl")
  const journal = createWriteStream(journalFile)
  const write = (line: Line) => void journal.write(`${JSON.stringify(line)}\n`)
  const house = yield* open
  const disk = house.disk === undefined ? "a trigger: no tmpfs could be mounted here" : "tmpfs"
  say(`disk_full is ${disk}`)
  const load = yield* makeLoad(house, { seed, rate, write })
  const begun = performance.now()
  const elapsed = () => performance.now() - begun
  const playing = yield* Effect.forkScoped(load.run)
  const struck: Array<Struck> = []

  for (const fault of plan(seed, lengthMs)) {
    yield* Effect.promise(async () => {
      if (fault.at > elapsed()) await pause(fault.at - elapsed())
      // A gate that a fault left without a process is a fault of the run, told by the next one's failure.
      const one = await strike(house, fault, load)
      struck.push(one)
      write({ t: "fault", ...one })
      say(
        `${String(Math.round(elapsed() / 1_000)).padStart(5)} s  ${one.kind.padEnd(19)} ${one.target.padEnd(22)} in flight ${String(one.inFlight).padStart(3)}${one.met ? "" : " NOT MET"}  acked ${load.acked()} of ${load.sent()}`
      )
    })
  }
  yield* Effect.sleep(GRACE_MS)
  const quiet = load.refused()
  const end = Math.max(lengthMs, elapsed() - GRACE_MS + PEACE_MS)
  if (end > elapsed()) yield* Effect.sleep(end - elapsed())
  load.stop()
  yield* Fiber.join(playing)
  yield* settled(house)
  const died = diedOf(house)
  write({ t: "end", seed, kinds, least, died, late: load.refused() - quiet })
  yield* Effect.promise(() => new Promise<void>((resolve) => journal.end(resolve)))

  say("the auditor reads answers, tables, topics and the ledger ..")
  const auditor = yield* Effect.promise(() =>
    audited([journalFile, house.databaseUrl, house.brokers.join(","), PREFIX])
  )
  const verdict = auditor.status === 2 || auditor.status === null ? undefined : JSON.parse(auditor.stdout)
  const own = yield* Effect.promise(() => command(["audit"], house.environment))
  const difference = before === undefined ? undefined : firstDifference(before.faults, struck)
  const report = {
    seed,
    minutes: lengthMs / 60_000,
    disk_full: disk,
    faults_digest: digestOf(struck),
    ...(before === undefined ? {} : { like: difference ?? "the same faults in the same order" }),
    faults: struck.map(({ at, inFlight, kind, met, target }) => ({
      at,
      kind,
      target,
      in_flight: inFlight,
      met
    })),
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
    say(`faults struck            ${struck.length}, digest ${report.faults_digest}`)
    if (difference !== undefined)
      say(`  fault ${difference.index + 1} was ${difference.before}, and is ${difference.now}`)
    else if (before !== undefined) say("  the same as before, in the same order")
    say(`report: ${path.join(folder, "report.json")}`)
  }
  const isGood = auditor.status === 0 && own.code === 0
  if (!isGood) keepLogs(house)
  return isGood && difference === undefined
})

// The servers and the mount must not be left behind.
const interrupted = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort())

/** Controls one after the other, each with a table's line. */
const controls = async () => {
  let survived = 0
  for (const mutant of options.mutants) {
    if (interrupted.signal.aborted) return false
    say(`without ${mutant.name}: ${mutant.without}`)
    const { by, isCaught, seconds } = await control(mutant, options)
    if (!isCaught) survived += 1
    say(`| \`${mutant.name}\` | ${isCaught ? "caught" : "NOT CAUGHT"} | ${by} | ${seconds} s |`)
  }
  return survived === 0
}

const isGood =
  options.mutants.length > 0
    ? await controls()
    : await Effect.runPromise(Effect.scoped(soak), { signal: interrupted.signal })
say(isGood ? "PASS" : "FAIL")
process.exit(isGood ? 0 : 1)
