import { Effect } from "effect"
import type { Phase } from "../infra/audit/AuditRun.ts"

const TERMINAL_MS = 200
const ELSEWHERE_MS = 15_000

/** What is being read and how fast, on stderr: one line drawn over and over on a terminal, a line now and then elsewhere. */
export const make = Effect.acquireRelease(
  Effect.sync(() => {
    const isTTY = process.stderr.isTTY === true
    let phase: Phase = "events"
    let rows = 0
    let began = performance.now()
    const line = () => {
      const seconds = Math.max(0.001, (performance.now() - began) / 1000)
      return `audit: ${phase}, ${rows.toLocaleString("en")} rows, ${Math.round(rows / seconds).toLocaleString("en")} a second`
    }
    const clear = () => {
      if (isTTY) process.stderr.write("\r\u001b[K")
    }
    const timer = setInterval(
      () => process.stderr.write(isTTY ? `\r\u001b[K${line()}` : `${line()}\n`),
      isTTY ? TERMINAL_MS : ELSEWHERE_MS
    )
    return {
      /** Takes the line away before something else is printed. */
      clear,
      onRows: (of: Phase, more: number) => {
        if (of !== phase) {
          phase = of
          rows = 0
          began = performance.now()
        }
        rows += more
      },
      end: () => {
        clearInterval(timer)
        clear()
      }
    }
  }),
  (progress) => Effect.sync(progress.end)
)
