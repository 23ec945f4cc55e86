#!/usr/bin/env node
// `npx oncegate <command>`. In a checkout: installs what is missing, then hands over to src/main.ts on the Node that
// npm brought in, whatever Node this file itself was started with. In the package there is no source, and the compiled
// program runs right here.
import { spawn } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const source = path.join(root, "src", "main.ts")

const inCheckout = async () => {
  const { setup } = await import("./setup.mjs")
  try {
    await setup(root)
  } catch (error) {
    console.error(`oncegate: setup failed\n${error.message}`)
    process.exit(1)
  }

  const node = path.join(
    root,
    "node_modules",
    "node",
    "bin",
    process.platform === "win32" ? "node.exe" : "node"
  )
  const child = spawn(node, [source, ...process.argv.slice(2)], { stdio: "inherit" })

  // A terminal sends its Ctrl-C to the child as well; passing it on would make it a second one, which means "at once".
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (signal === "SIGTERM" || !onTerminal) child.kill(signal)
    })
  }

  child.on("error", (error) => {
    console.error(`oncegate: cannot start ${node}: ${error.message}`)
    process.exitCode = 1
  })
  child.on("exit", (code, signal) => {
    // The shell's convention for a process that ended by a signal.
    process.exitCode = code ?? 128 + (os.constants.signals[signal] ?? 0)
  })
}

/** An older Node would start, and then fail at each webhook. */
const inPackage = async () => {
  const { engines } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"))
  const [major, minor] = engines.node.replace(">=", "").split(".").map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number)
  if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
    console.error(`oncegate: needs Node ${major}.${minor} or later, and this is ${process.versions.node}`)
    process.exit(1)
  }
  await import("../dist/main.js")
}

await (fs.existsSync(source) ? inCheckout() : inPackage())
