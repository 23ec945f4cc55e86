#!/usr/bin/env node
// `npm run faults`: a fault at every step of the way, one run each, and the table of what came of it in docs/faults.md.
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-faults-"))
const report = path.join(folder, "report.jsonl")
writeFileSync(report, "")

const node = path.join(root, "node_modules", ".bin", "node")
const vitest = path.join(root, "node_modules", "vitest", "vitest.mjs")
const run = spawn(node, [vitest, "run", "test/faults/Matrix.test.ts", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, ONCEGATE_FAULTS: "all", ONCEGATE_FAULTS_REPORT: report }
})
const code = await new Promise((resolve) => run.once("exit", (status) => resolve(status ?? 1)))

const runs = readFileSync(report, "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line))
const actions = ["kill", "throw", "delay", "stop"]
const isGood = (one) =>
  one.hasStruck &&
  one.lost.length + one.doubled + one.invented.length + one.open === 0 &&
  one.audit !== "differs"
const cell = (one) =>
  one === undefined
    ? "not run"
    : isGood(one)
      ? `ok (${one.acked} acked, ${one.facts} facts)`
      : `**lost ${one.lost.length}, doubled ${one.doubled}, invented ${one.invented.length}, open ${one.open}${one.hasStruck ? "" : ", not struck"}**`
const steps = [...new Set(runs.map(({ failpoint }) => failpoint))]
const sum = (pick) => runs.reduce((total, one) => total + pick(one), 0)

writeFileSync(
  path.join(root, "docs", "faults.md"),
  `# A fault at every step

Made by \`npm run faults\` (${runs.length} runs). In each, one gate takes the webhooks of both providers, 30 events in 60 deliveries, with one
failpoint armed; a second gate stands beside it. Toss's API is slower than a heartbeat and fails for three in ten
requests; leases last one second. **kill**: kill -9, and a new start. **throw**: a defect. **delay**: two and a half
leases. **stop**: SIGSTOP for as long, then SIGCONT. A run is ok when the failpoint was passed, every event that was
answered 200 is done, \`oncegate audit\` is clean, and a \`read_committed\` reader finds in Kafka exactly the facts of the providers' history, once each.

Acked ${sum(({ acked }) => acked)}, lost ${sum(({ lost }) => lost.length)}, doubled ${sum(({ doubled }) => doubled)}, invented ${sum(({ invented }) => invented.length)}, left open ${sum(({ open }) => open)}.

| step | ${actions.join(" | ")} |
|---|${actions.map(() => "---|").join("")}
${steps
  .map(
    (step) =>
      `| \`${step}\` | ${actions.map((action) => cell(runs.find((one) => one.failpoint === step && one.action === action))).join(" | ")} |`
  )
  .join("\n")}
`
)
rmSync(folder, { recursive: true, force: true })
process.exit(code)
