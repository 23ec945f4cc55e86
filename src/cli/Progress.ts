import { Effect } from "effect"

const EVERY_MS = 200

/** A line on stderr that counts up to a total: drawn over and over on a terminal, left out elsewhere. */
export const make = (total: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { isTTY } = process.stderr
      let done = 0
      let ended = false
      const draw = () => process.stderr.write(`\r${done} of ${total} deliveries`)
      const timer = isTTY ? setInterval(draw, EVERY_MS) : undefined
      return {
        step: () => {
          done++
        },
        end: () => {
          if (ended) return
          ended = true
          clearInterval(timer)
          if (isTTY) process.stderr.write("\r\u001b[K")
        }
      }
    }),
    (progress) => Effect.sync(progress.end)
  )
