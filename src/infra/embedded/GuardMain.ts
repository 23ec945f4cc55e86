// Stops the servers of a process that is gone: each is told on a line of the input, whose end says that it is.
import { createInterface } from "node:readline"
import { type LocalProcess, type Steps, stop } from "./LocalProcess.ts"

const guarded: Array<{ readonly process: LocalProcess; readonly steps: Steps }> = []
for await (const line of createInterface({ input: process.stdin }))
  try {
    guarded.push(JSON.parse(line))
  } catch {
    // cut off in the middle: the others are stopped all the same
  }
await Promise.all(guarded.map((one) => stop(one.process, one.steps)))
