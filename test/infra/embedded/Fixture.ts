import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import type { Way } from "../../../src/infra/embedded/EmbeddedKafka.ts"

/** A data folder that goes with the test. */
export const dataFolder = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-embedded-"))
    chmodSync(folder, 0o711)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Another process starts the server in `folder` and is then killed with -9. */
export const ownerKilled = (
  part: "postgres" | "kafka",
  folder: string,
  way: Way = "jars",
  withGuard = false
) =>
  Effect.promise(async () => {
    const hold = fileURLToPath(new URL("./hold.ts", import.meta.url))
    const args = "Deno" in globalThis ? ["run", "-A", hold] : [hold]
    const owner = spawn(process.execPath, [...args, part, folder, way], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    let guard: number | undefined
    const where = await new Promise<string>((resolve, reject) => {
      createInterface({ input: owner.stdout }).on("line", (line) => {
        if (/^\d+$/.test(line)) guard = Number(line)
        if (/^(postgres:|127\.0\.0\.1:)/.test(line)) resolve(line)
      })
      owner.once("exit", (code) => reject(new Error(`the owner ended by itself, exit code ${code}`)))
    })
    const ended = new Promise((resolve) => owner.once("exit", resolve))
    if (withGuard && guard !== undefined) process.kill(guard, "SIGKILL")
    owner.kill("SIGKILL")
    await ended
    return where
  })

/** Killed with its guard, so that nobody stops the server: it is left running. */
export const leftBehind = (part: "postgres" | "kafka", folder: string, way?: Way) =>
  ownerKilled(part, folder, way, true)
