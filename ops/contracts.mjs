#!/usr/bin/env node
// `npm run contracts` writes what consumers are told, JSON Schemas and AsyncAPI, from the schemas of the domain.
// With --check it writes nothing and fails where the files are stale or a released version is broken; with --release it
// freezes them as the contract of the version in package.json.
import fs from "node:fs"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { generate, problems, release, write } from "./contracts/Contract.ts"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = path.join(root, "contracts")
const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
const contract = generate(version)

const fail = (lines) => {
  console.error(lines.join("\n"))
  process.exitCode = 1
}

if (!process.argv.includes("--check")) write(folder, contract)
const found = problems(folder, contract)
if (found.length > 0) fail(found)
else if (process.argv.includes("--release")) {
  try {
    release(folder, version, contract)
  } catch (error) {
    fail([error.message])
  }
}
