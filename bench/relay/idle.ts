import { openWorld, pause, type Services, usage } from "./World.ts"

export interface Idle {
  readonly seconds: number
  /** Share of one core that a relay with nothing to do needs. */
  readonly relayCpuShare: number
  /** Of its main thread, each second. */
  readonly wakeups: number
}

/** What a relay of the checkout `root` costs while nothing happens. */
export const idle = async (services: Services, root: string, seconds: number): Promise<Idle> => {
  const world = await openWorld(services)
  const relay = world.relay(root)
  try {
    while ((await world.sql`SELECT 1 FROM relay_checkpoint WHERE confirmed_at IS NOT NULL`).length === 0)
      await pause(50)
    await pause(3000)
    const before = usage(relay.child.pid!)
    await pause(seconds * 1000)
    const after = usage(relay.child.pid!)
    return {
      seconds,
      relayCpuShare: Number(((after.cpuSeconds - before.cpuSeconds) / seconds).toFixed(4)),
      wakeups: Math.round((after.waits - before.waits) / seconds)
    }
  } finally {
    await relay.stop()
    await world.close()
  }
}
