#!/usr/bin/env node
// `npm run mutants`: takes one mechanism away at a time, in a copy of the project, and sees that the tests named for it fail.
import { spawn } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { breakCopy, copyProject } from "../test/mutants/Copy.ts"
import { mutants } from "../test/mutants/mutants.ts"
import { startServices } from "../test/support/ServicesProcess.ts"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { values: flags } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    list: { type: "boolean" },
    keep: { type: "boolean" },
    help: { type: "boolean", short: "h" }
  }
})

if (flags.help) {
  console.log(`npm run mutants -- [options]

Each mutant takes one mechanism away in a copy of the project and runs the tests that are named for it, one by one. Every one of
them must pass without the mutant and fail with it. Writes docs/mutants.md, where all was caught.

  --only NAME   this mutant, or all whose name contains NAME; may be repeated
  --list        names, and what they take away
  --keep        leave the copy behind, and say where it is
  --help

Exit code 0: every mutant was caught by every test named for it.`)
  process.exit(0)
}
if (flags.list) {
  for (const { name, without } of mutants) console.log(`${name.padEnd(36)} ${without}`)
  process.exit(0)
}
const chosen =
  flags.only === undefined
    ? mutants
    : mutants.filter(({ name }) => flags.only.some((part) => name.includes(part)))
if (chosen.length === 0) {
  console.error(`no mutant is called ${flags.only.join(", ")}; --list names them`)
  process.exit(2)
}

const TIME_LIMIT_MS = 300_000
let running
let isStopped = false
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    isStopped = true
    running?.kill("SIGTERM")
  })

/** Runs tests of one file by their names: `passed`, `failed`, or what else came of it. Seconds are the test's own. */
const runTests = (folder, services, file, names) =>
  new Promise((resolve, reject) => {
    if (isStopped) return reject(new Error("stopped"))
    const report = path.join(folder, "mutant-report.json")
    fs.rmSync(report, { force: true })
    const pattern = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")
    running = spawn(
      path.join(root, "node_modules", ".bin", "node"),
      [
        path.join(folder, "node_modules", "vitest", "vitest.mjs"),
        "run",
        file,
        "-t",
        `(${pattern})$`,
        "--reporter=json",
        `--outputFile.json=${report}`
      ],
      {
        cwd: folder,
        env: { ...process.env, ONCEGATE_TEST_SERVICES: services },
        stdio: ["ignore", "ignore", "pipe"]
      }
    )
    let errors = ""
    running.stderr.on("data", (chunk) => (errors += chunk))
    const tooLong = setTimeout(() => running.kill("SIGKILL"), TIME_LIMIT_MS)
    running.on("close", () => {
      clearTimeout(tooLong)
      try {
        const { testResults } = JSON.parse(fs.readFileSync(report, "utf8"))
        const ran = testResults
          .flatMap(({ assertionResults }) => assertionResults)
          .filter(({ status }) => status === "passed" || status === "failed")
        resolve(
          names.map((name) => {
            const one = ran.find(({ title }) => title === name)
            if (one === undefined) return { name, result: "did not run", seconds: 0, errors }
            return {
              name,
              result: one.status,
              seconds: (one.duration ?? 0) / 1000,
              message: one.failureMessages?.[0]
            }
          })
        )
      } catch {
        resolve(names.map((name) => ({ name, result: "did not run", seconds: 0, errors })))
      }
    })
  })

/** The lines of a failure that say what is wrong: the first ones, without colours and traces. */
const inShort = (message) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours
  ((message ?? "").replace(/\u001b\[[0-9;]*m/g, "").split("\n")[0] ?? "").slice(0, 110)

const folder = copyProject()
const services = await startServices()
const rows = []
let survived = 0
try {
  const named = new Map()
  for (const { file, test } of chosen.flatMap(({ caught }) => caught))
    named.set(file, new Set([...(named.get(file) ?? []), test]))
  console.log(
    `without a mutant, the ${[...named.values()].reduce((sum, { size }) => sum + size, 0)} named tests:`
  )
  for (const [file, names] of named)
    for (const { errors, message, name, result, seconds } of await runTests(folder, services.url, file, [
      ...names
    ])) {
      console.log(`  ${result.padEnd(7)} ${seconds.toFixed(1).padStart(5)} s  ${file}: ${name}`)
      if (result !== "passed")
        throw new Error(`a test that must pass did not: ${name}\n${message ?? errors ?? ""}`)
    }

  for (const [index, mutant] of chosen.entries()) {
    console.log(`${index + 1}/${chosen.length} ${mutant.name}: ${mutant.without}`)
    const restore = breakCopy(folder, mutant)
    for (const { file, test } of mutant.caught) {
      const [{ message, result, seconds }] = await runTests(folder, services.url, file, [test])
      if (isStopped) throw new Error("stopped")
      const good = result === "failed"
      if (!good) survived += 1
      console.log(
        `  ${good ? "caught" : `NOT CAUGHT (${result})`} in ${seconds.toFixed(1)} s  ${file}: ${test}`
      )
      if (good) console.log(`         ${inShort(message)}`)
      rows.push({ mutant, file, test, good, seconds })
    }
    restore()
  }
} catch (error) {
  console.error(error.message)
  survived += 1
} finally {
  await services.stop()
  if (flags.keep) console.log(`the copy: ${folder}`)
  else fs.rmSync(folder, { recursive: true, force: true })
}

const caught = rows.filter(({ good }) => good).length
console.log(`\n${caught} of ${rows.length} caught${survived > 0 ? `, ${survived} NOT` : ""}`)
/** What was measured before of those that did not run now: `--only` renews its own rows. */
const page = path.join(root, "docs", "mutants.md")
const measured = new Map(
  (fs.existsSync(page) ? fs.readFileSync(page, "utf8").split("\n") : []).flatMap((line) => {
    const [, name, , test, seconds] = /^\| `(.+?)` \| (.*?) \| (.+) \| ([\d.]+) s \|$/.exec(line) ?? []
    return name === undefined ? [] : [[`${name} ${test}`, seconds]]
  })
)
const lines = mutants.flatMap((mutant) =>
  mutant.caught.map(({ file, test }) => {
    const by = `\`${file.replace("test/", "")}\`: ${test.replaceAll("|", "\\|")}`
    const row = rows.find((one) => one.mutant === mutant && one.test === test)
    const seconds = row?.seconds.toFixed(1) ?? measured.get(`${mutant.name} ${by}`)
    return seconds === undefined
      ? undefined
      : `| \`${mutant.name}\` | ${mutant.without} | ${by} | ${seconds} s |`
  })
)
if (survived === 0 && !lines.includes(undefined))
  fs.writeFileSync(
    page,
    `# Mutants

Made by \`npm run mutants\`. Each row takes one mechanism away (\`test/mutants/mutants.ts\` says how) and runs one test alone: it passes
without the mutant and fails with it. Seconds are those of the test on the machine that made this table; a test that waits for
something that no longer happens takes its whole limit. \`npm test\` only holds that every mutant can still be made.

| mutant | what it takes away | caught by | in |
|---|---|---|---|
${lines.join("\n")}
`
  )
process.exitCode = survived > 0 ? 1 : 0
