// `npm run chaos`: relays, a real broker and what lies between them, broken again and again; then the topics are counted.
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import { Effect, Exit, Redacted, Scope } from "effect"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"
import { isDamaged } from "./check.ts"
import { type ControlName, controlNames } from "./controls.ts"
import { run } from "./run.ts"

const HELP = `Breaks the relay's surroundings while it publishes, then reads the topics: nothing lost, doubled or out of order?
Postgres is that of DATABASE_URL, where it names one; the broker is the run's own. Prints JSON; exit code 1 on damage.

  --rows N          facts, each with an outcome (60000)
  --seed N          the order of the faults (random)
  --relays N        at work at once, sharing one lock (2)
  --faults N        how many (48)
  --broker-kills N  of these (4)
  --half-opens N    of these; each costs the relay's whole patience with a connection (2)
  --control NAME    relays with a known mistake; the run passes if it finds damage: ${controlNames.join(", ")}
  --controls        each control in turn, at a tenth of the rows
`

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "60000" },
    seed: { type: "string" },
    relays: { type: "string", default: "2" },
    faults: { type: "string", default: "48" },
    "broker-kills": { type: "string", default: "4" },
    "half-opens": { type: "string", default: "2" },
    control: { type: "string" },
    controls: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})
const stop = (text: string, code: number): never => {
  process[code === 0 ? "stdout" : "stderr"].write(`${text}\n`)
  process.exit(code)
}
if (values.help) stop(HELP, 0)
const whole = (
  name: "rows" | "seed" | "relays" | "faults" | "broker-kills" | "half-opens",
  given?: string
) => (/^\d{1,9}$/.test(given ?? "") ? Number(given) : stop(`--${name} takes a whole number: see --help`, 2))
if (values.control !== undefined && !(controlNames as ReadonlyArray<string>).includes(values.control))
  stop(`--control takes ${controlNames.join(", ")}`, 2)

const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : whole("seed", values.seed)
const options = {
  rows: whole("rows", values.rows),
  relays: whole("relays", values.relays),
  faults: whole("faults", values.faults),
  brokerKills: whole("broker-kills", values["broker-kills"]),
  halfOpens: whole("half-opens", values["half-opens"])
}
const startedMs = performance.now()
const say = (line: string) =>
  void process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${line}\n`)

const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-chaos-"))
chmodSync(folder, 0o711) // as root, Postgres runs as another user and must be able to pass
const scope = Effect.runSync(Scope.make())
const url =
  process.env.DATABASE_URL ??
  Redacted.value(
    (
      await Effect.runPromise(
        EmbeddedPostgres.start({ folder: path.join(folder, "postgres") }).pipe(Scope.provide(scope))
      )
    ).url
  )

const interrupted = new AbortController()
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => interrupted.abort(new Error(`ended by ${name}`)))

let runs = 0
const one = async (control: ControlName | undefined, given: typeof options) => {
  say(`seed ${seed}${control === undefined ? "" : `, control ${control}`}`)
  runs += 1
  const result = await run({
    ...given,
    url,
    folder: path.join(folder, `kafka-${runs}`),
    seed,
    control,
    say,
    signal: interrupted.signal
  })
  const damaged = isDamaged(result.events) || isDamaged(result.outcomes)
  const passed = control === undefined ? !damaged && result.facts > given.rows : damaged
  return { passed, control: control ?? null, seed, ...result }
}

let passed = true
try {
  const wanted: ReadonlyArray<ControlName | undefined> = values.controls
    ? controlNames
    : [values.control as ControlName | undefined]
  for (const control of wanted) {
    const result = await one(
      control,
      values.controls
        ? { ...options, rows: Math.ceil(options.rows / 10), faults: 24, brokerKills: 0, halfOpens: 0 }
        : options
    )
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    passed &&= result.passed
  }
} catch (error) {
  say((error as Error).message)
  passed = false
} finally {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(folder, { recursive: true, force: true })
}
say(passed ? "PASSED" : "FAILED")
process.exit(passed ? 0 : 1)
