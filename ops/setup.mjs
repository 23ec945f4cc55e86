#!/usr/bin/env node
// Brings node_modules to what package-lock.json says, so that `npm start` or `npm test` can be the first command
// after a clone. Node built-ins only and old syntax: it runs on the machine's own Node (18 or later) or Deno,
// before the Node that npm brings in is there.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath, pathToFileURL } from "node:url"

const windows = process.platform === "win32"
const LOCK_WAIT_MS = 10 * 60_000

const readJson = (file) => {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"))
  } catch {
    return undefined
  }
}

/** What node_modules must have been made from: the lockfile, which install scripts may run, and the platform. */
const wanted = (root) => {
  const manifest = readJson(path.join(root, "package.json")) ?? {}
  return createHash("sha256")
    .update(fs.readFileSync(path.join(root, "package-lock.json")))
    .update(JSON.stringify(manifest.allowScripts ?? {}))
    .update(`${process.platform} ${process.arch}`)
    .digest("hex")
}

const stampFile = (root) => path.join(root, "node_modules", ".oncegate-setup")

const isStamped = (root) => {
  try {
    return fs.readFileSync(stampFile(root), "utf8") === wanted(root)
  } catch {
    return false
  }
}

/** The two runtimes are installed by scripts of their packages; without these the links in .bin lead nowhere. */
const runtimesAreThere = (root) => {
  const bin = path.join(root, "node_modules", ".bin")
  return ["node", "deno"].every((name) => fs.existsSync(path.join(bin, windows ? `${name}.cmd` : name)))
}

/** True where someone already installed by hand: npm's own record of node_modules agrees with the lockfile. */
const isInstalledByHand = (root) => {
  const lock = readJson(path.join(root, "package-lock.json"))?.packages
  const installed = readJson(path.join(root, "node_modules", ".package-lock.json"))?.packages
  if (lock === undefined || installed === undefined || !runtimesAreThere(root)) return false
  const same = (name) => installed[name]?.version === lock[name]?.version
  return (
    Object.keys(installed).every(same) &&
    Object.keys(lock).every((name) => name === "" || lock[name].optional === true || same(name))
  )
}

const isRunning = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Two starts at once must not both empty node_modules. The lock lies outside, because `npm ci` deletes the folder. */
const withLock = async (root, work) => {
  const id = createHash("sha256").update(fs.realpathSync(root)).digest("hex").slice(0, 16)
  const user = process.getuid === undefined ? "user" : process.getuid()
  const file = path.join(os.tmpdir(), `oncegate-setup-${user}-${id}.lock`)
  const giveUp = Date.now() + LOCK_WAIT_MS
  for (let told = false; ; told = true) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 })
      break
    } catch (error) {
      if (error.code !== "EEXIST") throw error
    }
    let holder
    try {
      holder = Number(fs.readFileSync(file, "utf8"))
      // An empty file is a holder between creating and writing it, or one that died there.
      if (holder === 0 && Date.now() - fs.statSync(file).mtimeMs < 5_000) holder = process.pid
    } catch {
      continue // gone meanwhile: it is ours to take
    }
    if (!isRunning(holder) || holder === 0) {
      fs.rmSync(file, { force: true })
      continue
    }
    if (Date.now() > giveUp) throw new Error(`another setup (process ${holder}) does not end; remove ${file}`)
    if (!told && holder !== process.pid) console.error(`oncegate: waiting for the setup of process ${holder}`)
    await sleep(200)
  }
  try {
    return await work()
  } finally {
    fs.rmSync(file, { force: true })
  }
}

/** Runs npm out of sight; resolves with its exit code (or the reason it did not run) and everything it said. */
const npm = (root, args) =>
  new Promise((resolve) => {
    // `npm ci` replaces node_modules/.bin/node, so it must not run on it.
    const own = path.join(root, "node_modules", ".bin")
    const entries = (process.env.PATH ?? "").split(path.delimiter).filter((dir) => path.resolve(dir) !== own)
    const env = { ...process.env, PATH: entries.join(path.delimiter) }
    const child = spawn(windows ? "npm.cmd" : "npm", args, {
      cwd: root,
      env,
      shell: windows,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    child.stdout.on("data", (chunk) => (said += chunk))
    child.stderr.on("data", (chunk) => (said += chunk))
    child.on("error", (error) => resolve({ code: error.code ?? "failed", said }))
    child.on("close", (code, signal) => resolve({ code: code ?? signal, said }))
  })

const install = async (root) => {
  console.error("oncegate: installing dependencies (npm ci), about 30 s the first time ...")
  const started = Date.now()
  // Warnings about engines and install scripts of packages that are not used here would only frighten.
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--include=dev", "--include=optional"]
  const { code, said } = await npm(root, args)
  if (code === "ENOENT") {
    throw new Error("npm was not found. Install Node.js 18 or later together with npm (https://nodejs.org).")
  }
  if (code !== 0) {
    const advice =
      "npm ci failed. Check the network and the free disk space, then run the same command again."
    throw new Error(`${said.trimEnd()}\n\n${advice}`)
  }
  if (!runtimesAreThere(root)) {
    throw new Error(
      "npm ran, but without the install scripts that bring Node and Deno. Set `npm config set ignore-scripts false` for this project and run the same command again."
    )
  }
  console.error(`oncegate: dependencies ready after ${Math.round((Date.now() - started) / 1000)} s`)
}

/** Installs what is missing under `root`; does nothing (in some milliseconds) when all is there. */
export const setup = async (root) => {
  if (isStamped(root)) return
  await withLock(root, async () => {
    if (isStamped(root)) return
    if (!isInstalledByHand(root)) await install(root)
    fs.writeFileSync(stampFile(root), wanted(root))
  })
}

if (
  process.argv[1] !== undefined &&
  import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href
) {
  try {
    await setup(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
  } catch (error) {
    console.error(`oncegate: setup failed\n${error.message}`)
    process.exitCode = 1
  }
}
