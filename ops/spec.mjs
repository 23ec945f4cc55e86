#!/usr/bin/env node
// `npm run spec`: has Spin walk through every state of the models in spec/, and see that each mechanism taken away is missed.
import { spawn, spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** `without`: a mechanism that is taken away; a counterexample must follow. Safety: assertions. Else: what must happen in the end. */
const cases = [
  {
    model: "gate",
    safety: true,
    says: "done at most once and final; only the holder moves an event; a fenced-off completion is never reported"
  },
  { model: "gate", safety: false, says: "what was answered 200 ends done or parked" },
  { model: "gate", safety: true, without: "NO_FENCE", says: "a transition does not ask for its fence" },
  {
    model: "gate",
    safety: true,
    without: "EFFECTS_APART",
    says: "facts are written whether the fenced change happened or not"
  },
  {
    model: "gate",
    safety: true,
    without: "REPORT_STALE",
    says: "a completion that changed no row is told as success"
  },
  { model: "gate", safety: true, without: "DONE_REOPENED", says: "a delivery claims a done event again" },
  {
    model: "gate",
    safety: false,
    without: "NO_RESCUER",
    says: "nobody looks for dead claims and due failures"
  },
  { model: "gate", safety: false, without: "NO_LEASE", says: "a claim never ends by itself" },
  { model: "gate", safety: false, without: "ANSWER_FIRST", says: "200 before the claim is committed" },
  { model: "relay", safety: true, says: "nothing twice, nothing passed by, never refused without a restore" },
  { model: "relay", safety: false, says: "everything is published in the end" },
  {
    model: "relay",
    safety: true,
    without: "CHECKPOINT_BEFORE_FENCING",
    says: "Kafka's side is read before the predecessor is fenced"
  },
  { model: "relay", safety: true, without: "PRODUCER_KEPT", says: "a producer is used on after an error" },
  { model: "relay", safety: true, without: "NO_FENCING", says: "a new relay does not raise the epoch" }
]
const nameOf = ({ model, safety, without }) => `${model} ${without ?? (safety ? "safety" : "liveness")}`

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    list: { type: "boolean" },
    quiet: { type: "boolean" },
    help: { type: "boolean", short: "h" }
  }
})
const INSTALL =
  "Spin 6.5 and a C compiler: Debian and Ubuntu have the packages spin and gcc (apt-get install spin gcc), Homebrew the formula spin."
if (flags.help) {
  console.log(`npm run spec -- [options]

Model checking of spec/gate.pml and spec/relay.pml by Spin: the whole state space, and then each model with one mechanism taken away,
which must end in a counterexample.

Needs ${INSTALL}
Where one of them is missing, this says so and ends with 0.

  --only NAME   cases whose name contains NAME; may be repeated
  --list        the cases
  --quiet       no counterexamples, the table alone
  --help

Exit code 0: the models hold, and every mechanism taken away was missed.`)
  process.exit(0)
}
if (flags.list) {
  for (const one of cases) console.log(`${nameOf(one).padEnd(34)} ${one.says}`)
  process.exit(0)
}
const missing = [
  ["spin", "-V"],
  ["gcc", "--version"]
].filter(([command, flag]) => spawnSync(command, [flag]).status !== 0)
if (missing.length > 0) {
  console.log(
    `The models were not checked: ${missing.map(([command]) => command).join(" and ")} not found. They need ${INSTALL}`
  )
  process.exit(0)
}
const chosen = cases.filter(
  (one) => flags.only === undefined || flags.only.some((part) => nameOf(one).includes(part))
)
if (chosen.length === 0) {
  console.error(`no case is called ${flags.only.join(", ")}; --list names them`)
  process.exit(2)
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "oncegate-spec-"))
let running
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => running?.kill("SIGKILL"))

const run = (cwd, command, args) =>
  new Promise((resolve) => {
    running = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    running.stdout.on("data", (chunk) => (output += chunk))
    running.stderr.on("data", (chunk) => (output += chunk))
    running.on("close", (code) => resolve({ code, output }))
  })

/** What Spin finds: no error in all states, or the story of one. */
const check = async ({ model, safety, without }, index) => {
  const place = path.join(folder, String(index))
  fs.mkdirSync(place)
  const file = `${model}.pml`
  fs.copyFileSync(path.join(root, "spec", file), path.join(place, file))
  const defines = [...(safety ? ["-DSAFETY"] : []), ...(without === undefined ? [] : [`-D${without}`])]
  const steps = [
    ["spin", [...defines, "-a", file]],
    // Breadth first finds the shortest counterexample; to walk through everything, depth first takes less memory.
    [
      "gcc",
      [
        without === undefined ? "-O2" : "-O1",
        "-w",
        "-DCOLLAPSE",
        "-DVECTORSZ=2048",
        ...(safety ? ["-DSAFETY"] : ["-DNFAIR=3"]),
        ...(safety && without !== undefined ? ["-DBFS"] : []),
        "-o",
        "pan",
        "pan.c"
      ]
    ]
  ]
  for (const [command, args] of steps) {
    const { code, output } = await run(place, command, args)
    if (code !== 0 || /\berror\b/i.test(output))
      throw new Error(`${command} failed on ${file} ${defines.join(" ")}:\n${output}`)
  }
  const { output } = await run(place, "./pan", [...(safety ? [] : ["-a", "-f"]), "-m100000"])
  const states = Number(/([\d.e+]+) states, stored/.exec(output)?.[1] ?? 0)
  const errors = Number(/errors: (\d+)/.exec(output)?.[1] ?? -1)
  // A walk that was cut short proves nothing.
  if (errors < 0 || /max search depth too small|out of memory/.test(output)) throw new Error(output)
  if (errors === 0) return { states, story: undefined }
  const trail = await run(place, "spin", [...defines, "-t", file])
  const said = trail.output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^(process|relay|the lease|<<<<<START)/.test(line))
  return {
    states,
    story: [
      ...said.map((line) => (line.startsWith("<") ? "(from here on, again and again)" : line)),
      /pan:\d+: (.+)/.exec(output)?.[1]?.replace(/ \(at depth.*/, "")
    ]
  }
}

let wrong = 0
try {
  for (const [index, one] of chosen.entries()) {
    const begun = performance.now()
    const { states, story } = await check(one, index)
    const expected = one.without === undefined ? story === undefined : story !== undefined
    if (!expected) wrong += 1
    const result = story === undefined ? "holds in all states" : "counterexample"
    console.log(
      `${expected ? "ok   " : "WRONG"} ${nameOf(one).padEnd(32)} ${result.padEnd(20)} ${String(states).padStart(8)} states ${((performance.now() - begun) / 1000).toFixed(1).padStart(5)} s  ${one.says}`
    )
    if (story !== undefined && (!flags.quiet || !expected))
      for (const line of story) console.log(`        ${line}`)
  }
} catch (error) {
  console.error(error.message)
  wrong += 1
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
process.exitCode = wrong > 0 ? 1 : 0
