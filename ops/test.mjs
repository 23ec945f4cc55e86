#!/usr/bin/env node
// What `npm test` runs: every test on Node, then the end-to-end suite once more on Deno, against the same Postgres and
// Kafka. The last line is `N passed, N failed`. Arguments go to vitest: `npm test -- test/domain -t claim`.
import { spawn } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { startServices } from "../test/support/ServicesProcess.ts"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const modules = path.join(root, "node_modules")
const vitest = path.join(modules, "vitest", "vitest.mjs")
const given = process.argv.slice(2)
/** A worker that does not end must not keep the whole run, and CI, waiting for ever. */
const LIMIT_MINUTES = 20

const runtimes = [
  { name: "node", command: path.join(modules, ".bin", "node"), args: [vitest], filter: [] },
  {
    name: "deno",
    command: path.join(modules, ".bin", "deno"),
    args: ["run", "-A", vitest],
    filter: ["test/e2e"]
  }
]

/** Which of them to run: named files restrict Deno to those of the end-to-end suite among them. */
const planned = runtimes.flatMap((runtime) => {
  const files = given.filter((argument) => /^(\.\/)?test(\/|$)/.test(argument))
  if (runtime.name === "node" || files.length === 0)
    return [{ ...runtime, args: [...runtime.args, "run", ...given] }]
  return files.some((file) => file.includes("test/e2e"))
    ? [{ ...runtime, filter: [], args: [...runtime.args, "run", ...given] }]
    : []
})

let running
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  // On a terminal the runner gets its own Ctrl-C; it ends, and with it this.
  process.on(signal, () => signal !== "SIGINT" && running?.kill(signal))
}

/** Runs one vitest and counts from its report. A runner that ends badly without a failed test is one failure. */
const run = ({ name, command, args, filter }, services, reports) =>
  new Promise((resolve) => {
    const report = path.join(reports, `${name}.json`)
    const options = [
      "--passWithNoTests",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`
    ]
    console.log(`\n== tests on ${name}`)
    running = spawn(command, [...args, ...filter, ...options], {
      cwd: root,
      env: { ...process.env, ONCEGATE_TEST_SERVICES: services },
      stdio: "inherit"
    })
    running.on("error", (error) => {
      console.error(`${name} did not start: ${error.message}`)
      resolve({ passed: 0, failed: 1, skipped: 0 })
    })
    const tooLong = setTimeout(() => {
      console.error(`the tests on ${name} did not end within ${LIMIT_MINUTES} minutes`)
      running.kill("SIGKILL")
    }, LIMIT_MINUTES * 60_000)
    running.on("exit", (code) => {
      clearTimeout(tooLong)
      let counted
      try {
        counted = count(JSON.parse(fs.readFileSync(report, "utf8")))
      } catch {
        counted = { passed: 0, failed: 0, skipped: 0 }
      }
      if (code !== 0 && counted.failed === 0) {
        console.error(`vitest on ${name} ended with ${code}`)
        counted.failed = 1
      }
      resolve(counted)
    })
  })

const count = (report) => ({
  passed: report.numPassedTests,
  // A file that cannot be loaded has no tests to count, but failed all the same.
  failed:
    report.numFailedTests +
    report.testResults.filter(
      ({ status, assertionResults }) =>
        status === "failed" && !assertionResults.some((result) => result.status === "failed")
    ).length,
  skipped: report.numPendingTests + (report.numTodoTests ?? 0)
})

const reports = fs.mkdtempSync(path.join(os.tmpdir(), "oncegate-report-"))
const total = { passed: 0, failed: 0, skipped: 0 }
let services
try {
  services = await startServices()
  // Both at once and before any test's clock runs; the reason why one cannot start is for the tests to tell.
  const everything = given.length === 0
  if (everything) await Promise.all(["postgres", "kafka"].map((part) => fetch(new URL(part, services.url))))
  for (const runtime of planned) {
    const counted = await run(runtime, services.url, reports)
    for (const key of Object.keys(total)) total[key] += counted[key]
  }
} catch (error) {
  console.error(error.message)
  total.failed += 1
} finally {
  await services?.stop()
  fs.rmSync(reports, { recursive: true, force: true })
}
if (total.passed + total.failed === 0) console.error("no test ran")
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
console.log(
  `\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`
)
