import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { setPriority } from "node:os"

/** Commands that may go over much while gates of the same machine are at work. */
const LONG: ReadonlySet<string> = new Set(["audit", "events redrive", "keys rotate"])
const NICE = 15

/** On Linux each thread has a priority of its own; those of Node's that compile and collect garbage are there before us. */
const threads = () => {
  try {
    return readdirSync("/proc/self/task").map(Number)
  } catch {
    return [0]
  }
}

/**
 * Steps back behind the gates of the same machine; where the system allows no such thing, all is as before. A nice value
 * is a share of the time and no more: whoever wakes up still waits for the end of our slice. On Linux the policy of idle
 * work makes us give way at once, and `chrt` (util-linux) sets it.
 */
export const inBackground = () => {
  for (const thread of threads())
    try {
      setPriority(thread, NICE)
    } catch {
      // not ours to decide, or a thread that is gone
    }
  if (process.platform === "linux")
    spawnSync("chrt", ["--all-tasks", "--idle", "--pid", "0", `${process.pid}`], { stdio: "ignore" })
}

/** Whether this command steps back before it is even loaded. */
export const isLong = ([first, second]: ReadonlyArray<string>) =>
  LONG.has(`${first}`) || LONG.has(`${first} ${second}`)
