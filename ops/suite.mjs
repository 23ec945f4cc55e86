#!/usr/bin/env node
// `npm run rebase`, `secure`, `drill` and `fire`: suites that are longer than a default run of the tests should be, on Node
// and then on Deno; `npm run fire -- --on deno` on one of them. Other arguments go to vitest.
import { spawnSync } from "node:child_process"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const modules = path.join(root, "node_modules")
const vitest = path.join(modules, "vitest", "vitest.mjs")
const runtimes = {
  node: [path.join(modules, ".bin", "node"), vitest],
  deno: [path.join(modules, ".bin", "deno"), "run", "-A", vitest]
}

const suites = {
  rebase: { file: "test/infra/rebase", environment: { ONCEGATE_REBASE: "all" } },
  secure: { file: "test/e2e/Secure.test.ts", environment: { ONCEGATE_SECURE: "all" } },
  drill: { file: "test/drill", environment: { ONCEGATE_DRILL: "1" } },
  fire: { file: "test/fire", environment: { ONCEGATE_FIRE: "all" } }
}
const [name, ...given] = process.argv.slice(2)
const suite = suites[name]
if (suite === undefined) {
  console.error(`a suite is one of ${Object.keys(suites).join(", ")}`)
  process.exit(2)
}
const at = given.indexOf("--on")
const on = at < 0 ? Object.keys(runtimes) : [given.splice(at, 2)[1]]
if (on.some((runtime) => runtimes[runtime] === undefined)) {
  console.error(`--on takes one of ${Object.keys(runtimes).join(", ")}`)
  process.exit(2)
}
for (const runtime of on) {
  const [command, ...args] = runtimes[runtime]
  const { status } = spawnSync(command, [...args, "run", suite.file, ...given], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...suite.environment }
  })
  if (status !== 0) process.exitCode = 1
}
