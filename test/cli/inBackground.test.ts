import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const MODULE = fileURLToPath(new URL("../../src/cli/inBackground.ts", import.meta.url))

/** The nice values of all threads of a process that runs this command. */
const niceOf = (...args: ReadonlyArray<string>) => {
  const script = `
    const { readdirSync, readFileSync } = await import("node:fs")
    const { inBackground, isLong } = await import(${JSON.stringify(MODULE)})
    if (isLong(${JSON.stringify(args)})) inBackground()
    for (const id of readdirSync("/proc/self/task"))
      console.log(readFileSync("/proc/self/task/" + id + "/stat", "utf8").split(") ")[1].split(" ")[16])`
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
  return [...new Set(output.trim().split("\n"))]
}

describe.skipIf(process.platform !== "linux" || "Deno" in globalThis)(
  "bulk work steps back behind the gates of its machine",
  () => {
    it("with each of its threads", () => {
      assert.deepStrictEqual(niceOf("audit", "--json"), ["15"])
      assert.deepStrictEqual(niceOf("keys", "rotate"), ["15"])
      assert.deepStrictEqual(niceOf("events", "redrive", "--state", "parked"), ["15"])
    })

    it("and nothing else does", () => {
      assert.notInclude(niceOf("serve"), "15")
      assert.notInclude(niceOf("keys", "status"), "15")
      assert.notInclude(niceOf("events", "list"), "15")
    })
  }
)
