import { Effect, FiberSet } from "effect"

/** Runs jobs of one lane one after another, and the lanes side by side. */
export interface Lanes<Job> {
  /** Never waits. The order of a lane is the order of these calls. */
  readonly push: (lane: string, job: Job) => void
  /** Jobs that wait behind another of their lane. */
  readonly waiting: () => number
  readonly size: () => number
  /** Interrupts everything and forgets what waits. */
  readonly clear: Effect.Effect<void>
}

/** `run` must not fail, and decides itself how many of it work at once. */
export const make = Effect.fnUntraced(function* <Job, R>(run: (job: Job) => Effect.Effect<void, never, R>) {
  const fibers = yield* FiberSet.make<void, never>()
  const fork = yield* FiberSet.runtime(fibers)<R>()
  const lanes = new Map<string, Array<Job>>()
  let waiting = 0

  const drive = Effect.fnUntraced(function* (lane: string, queue: Array<Job>) {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      waiting -= 1
      yield* run(job)
    }
    // Nothing can come in between: from the empty queue to here there is no turn of the event loop.
    lanes.delete(lane)
  })

  return {
    push: (lane, job) => {
      waiting += 1
      const queue = lanes.get(lane)
      if (queue !== undefined) return void queue.push(job)
      const fresh = [job]
      lanes.set(lane, fresh)
      fork(drive(lane, fresh))
    },
    waiting: () => waiting,
    size: () => lanes.size,
    clear: Effect.suspend(() => {
      lanes.clear()
      waiting = 0
      return FiberSet.clear(fibers)
    })
  } satisfies Lanes<Job>
})
