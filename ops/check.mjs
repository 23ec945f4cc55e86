#!/usr/bin/env node
// What `npm run check` runs: everything that reads the code without running it, side by side.
import { spawn } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const bin = (name) => path.join(root, "node_modules", ".bin", name)
const existing = (...folders) => folders.filter((folder) => fs.existsSync(path.join(root, folder)))

/** Add here what else must be up to date: generated files, schemas. A check passes when its command exits with 0. */
const checks = [
  { name: "types (tsc)", command: bin("tsc"), args: ["--noEmit", "-p", "."] },
  {
    name: "types (deno)",
    command: bin("deno"),
    args: [
      "check",
      "--quiet",
      "--conditions=oncegate-source",
      ...existing("src", "test", "bench", "examples")
    ]
  },
  { name: "contracts", command: bin("node"), args: ["ops/contracts.mjs", "--check"] },
  { name: "lint and format", command: bin("biome"), args: ["check", "--error-on-warnings", "."] }
]

const run = ({ name, command, args }) =>
  new Promise((resolve) => {
    const started = Date.now()
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
    child.stderr.on("data", (chunk) => (output += chunk))
    const end = (ok) => resolve({ name, ok, output, seconds: (Date.now() - started) / 1000 })
    child.on("error", (error) => {
      output += error.message
      end(false)
    })
    child.on("close", (code) => end(code === 0))
  })

const results = await Promise.all(checks.map(run))
for (const { name, output } of results.filter(({ ok }) => !ok))
  console.error(`== ${name}\n${output.trimEnd()}\n`)
for (const { name, ok, seconds } of results) {
  console.log(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(16)} ${seconds.toFixed(1).padStart(5)} s`)
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1
