import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const MODULE = fileURLToPath(new URL("../../src/cli/inBackground.ts", import.meta.url))

const SCHED_IDLE = 5

/** The nice values and scheduling policies of all threads of a process that runs this command. */
const standingOf = (...args: ReadonlyArray<string>) => {
  const script = `
    const { readdirSync, readFileSync } = await import("node:fs")
    const { inBackground, isLong } = await import(${JSON.stringify(MODULE)})
    if (isLong(${JSON.stringify(args)})) inBackground()
    for (const id of readdirSync("/proc/self/task")) {
      const fields = readFileSync("/proc/self/task/" + id + "/stat", "utf8").split(") ")[1].split(" ")
      console.log(fields[16] + " " + fields[38])
    }`
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
  return [...new Set(output.trim().split("\n"))]
}

describe.skipIf(process.platform !== "linux" || "Deno" in globalThis)(
  "bulk work steps back behind the gates of its machine",
  () => {
    it("with each of its threads", () => {
      const back = [`15 ${SCHED_IDLE}`]
      assert.deepStrictEqual(standingOf("audit", "--json"), back)
      assert.deepStrictEqual(standingOf("keys", "rotate"), back)
      assert.deepStrictEqual(standingOf("events", "redrive", "--state", "parked"), back)
    })

    it("and nothing else does", () => {
      const standing = standingOf() // of no command at all
      assert.notInclude(standing, `15 ${SCHED_IDLE}`)
      assert.deepStrictEqual(standingOf("serve"), standing)
      assert.deepStrictEqual(standingOf("keys", "status"), standing)
      assert.deepStrictEqual(standingOf("events", "list"), standing)
    })
  }
)
