import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/**
 * Starts `ServicesMain.ts` beside the tests. It lives as long as the pipe to it, so nothing stays behind, however the
 * test runner ends; it has a process group of its own, so that a Ctrl-C does not stop it before the tests.
 */
export const startServices = async (): Promise<{ url: string; stop: () => Promise<void> }> => {
  const main = fileURLToPath(new URL("./ServicesMain.ts", import.meta.url))
  const args = "Deno" in globalThis ? ["run", "-A", main] : [main]
  const child = spawn(process.execPath, args, { detached: true, stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve)
    child.once("error", reject)
    child.once("exit", (code) => reject(new Error(`the services for tests ended at once, exit code ${code}`)))
  })
  const stop = async () => {
    child.stdin.end()
    await ended
  }
  return { url, stop }
}
