import { fileURLToPath } from "node:url"
import type { LoadPlan, LoadResult } from "./load/LoadPlan.ts"
import { NODE, run } from "./Process.ts"

const MAIN = fileURLToPath(new URL("load/main.ts", import.meta.url))
/** Beyond the planned time, for answers that do not come. */
const GRACE_MS = 180_000

export interface Moments {
  readonly onWarm?: () => void
  readonly onOver?: () => void
  readonly onAnswered?: (count: number) => void
}

/** Runs one load in a process of its own. */
export const load = async (plan: LoadPlan, moments: Moments = {}): Promise<LoadResult> => {
  const { out } = await run(NODE, ["--max-old-space-size=6000", MAIN], {
    input: JSON.stringify(plan),
    timeoutMs: plan.warmupMs + plan.measureMs + GRACE_MS + (plan.measureMs === 0 ? 600_000 : 0),
    onError: (text) => {
      for (const line of text.split("\n")) {
        if (line === "warm") moments.onWarm?.()
        else if (line === "over") moments.onOver?.()
        else if (line.startsWith("answered ")) moments.onAnswered?.(Number(line.slice(9)))
      }
    }
  })
  return JSON.parse(out) as LoadResult
}
