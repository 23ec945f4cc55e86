import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect, it } from "vitest"

/**
 * Makes a process whose young objects survive, as those of requests in flight do, and tells how large their space became:
 * without a bound 64 MB and more, after a fraction of these objects.
 */
const program = `
  import { getHeapSpaceStatistics } from "node:v8"
  import { boundHeap } from ${JSON.stringify(new URL("../../src/cli/boundHeap.ts", import.meta.url).href)}
  boundHeap()()
  const kept = []
  let most = 0
  for (let made = 0; made < 1_000_000 && most <= 64; ) {
    for (let one = 0; one < 20_000; one++) kept[made++ % 200_000] = { made, list: [made], text: "x" + made }
    most = Math.max(most, getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size / 1_048_576)
    await new Promise((resolve) => setImmediate(resolve))
  }
  console.log(most)
`

it.skipIf("Deno" in globalThis)(
  "given young objects that survive / when a process makes many of them / then their space stays small",
  async () => {
    const args = ["--input-type=module", "--eval", program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
    expect(Number(stdout)).toBeGreaterThan(0)
    expect(Number(stdout)).toBeLessThan(64)
  },
  90_000
)
