import { createRequire } from "node:module"

/**
 * kafkajs 2.2.4 re-arms a timer for ever on every connection, with a time in the past: one wake-up a millisecond (about
 * 2 % of a core for each idle connection) and a `TimeoutNegativeWarning` on newer runtimes. The timer is only needed
 * while a request waits. https://github.com/tulios/kafkajs/issues/1751, PR #1768 (unmerged).
 */
interface RequestQueue {
  throttleCheckTimeoutId: ReturnType<typeof setTimeout> | null
  readonly pending: ReadonlyArray<unknown>
  readonly throttledUntil: number
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
}

const { prototype } = createRequire(import.meta.url)("kafkajs/src/network/requestQueue") as {
  prototype: RequestQueue
}

prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return
  const wait = this.throttledUntil - Date.now()
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null
      this.checkPendingRequests()
    },
    wait > 0 ? wait : 10
  )
}
