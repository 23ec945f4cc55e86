import { Effect } from "effect"
import { describe, expect } from "vitest"
import type { FailpointName } from "../../../src/domain/Failpoint.ts"
import type { RelayStatus } from "../../../src/infra/kafka/RelayStatus.ts"
import { plan, rebase } from "../rebase/RebaseWorld.ts"
import { forgetting } from "./forgetful.ts"
import { writeBulk } from "./LogWriter.ts"
import { facts, isCaughtUp, it } from "./RelayFixture.ts"
import type { World } from "./RelayWorld.ts"

const WITHIN_MS = 60_000

/** `dying`: the relay that publishes has a fault there from the moment that `die` is called. */
const withHanging = async (
  world: World,
  dying: FailpointName,
  work: (relay: ReturnType<World["startRelay"]>, die: () => void) => Promise<void>
) => {
  let on = false
  const relay = world.startRelay({
    failpoints: (name) => (on && name === dying ? Effect.die(`a fault at ${name}`) : Effect.void)
  })
  await relay.until(({ state }) => state === "active", WITHIN_MS)
  const admin = world.kafka.admin()
  await admin.connect()
  await forgetting(admin, world.names.transactionalId, () =>
    work(relay, () => {
      on = true
    })
  )
  // Written, acknowledged, and seen by nobody.
  const offsets = await admin.fetchTopicOffsets(world.names.events)
  expect(offsets.map(({ high }) => high)).toEqual(offsets.map(() => "0"))
  await admin.disconnect()
  return { relay, mend: () => (on = false) }
}
const once = async (world: World, n: number) => {
  const ids = (await facts(world, n)).map(({ headers }) => headers.ce_id)
  expect([ids.length, new Set(ids).size]).toEqual([n, n])
}
const refused = async (world: World) => {
  const relay = world.startRelay()
  const { reason } = await relay.until(({ state }) => state === "refused", WITHIN_MS)
  await relay.stop()
  expect(reason?.explanation).toMatch(/^transaction_hangs: .*oncegate relay rebase/)
  expect(world.logs.filter((line) => line.startsWith("ALARM relay_checkpoint_refused")).length).toBe(1)
}
/** Its batch stands in Postgres, and it could not go on. */
const isStuck = ({ state }: RelayStatus) => state === "waiting" || state === "stopped"

describe.concurrent("a transaction that Kafka forgot to end", { timeout: 3 * WITHIN_MS }, () => {
  it("and had acknowledged: the next relay commits it", async ({ world }) => {
    const { relay } = await withHanging(world, "relay.read", async (relay) => {
      await writeBulk(world.sql, 20, "A")
      await relay.until(isCaughtUp(40), WITHIN_MS)
    })
    await relay.stop()
    await writeBulk(world.sql, 5, "B")
    await world.startRelay().until(isCaughtUp(10), WITHIN_MS)
    await once(world, 25)
    expect(world.logs.filter((line) => line.startsWith("RELAY_TRANSACTION_ENDED")).length).toBe(1)
  })

  it("and had acknowledged before the next batch began: the relay that knows commits it", async ({
    world
  }) => {
    const { mend, relay } = await withHanging(world, "relay.batch.written", async (relay, die) => {
      await writeBulk(world.sql, 20, "A")
      await relay.until(isCaughtUp(40), WITHIN_MS)
      die()
      await writeBulk(world.sql, 5, "B")
      await relay.until(isStuck, WITHIN_MS)
    })
    mend()
    await relay.until(isCaughtUp(50), WITHIN_MS)
    await once(world, 25)
  })

  it("before the next batch began, and the relay that knew is gone: refused, and mended by a rebase", async ({
    world
  }) => {
    const { relay } = await withHanging(world, "relay.batch.written", async (relay, die) => {
      await writeBulk(world.sql, 20, "A")
      await relay.until(isCaughtUp(40), WITHIN_MS)
      die()
      await writeBulk(world.sql, 5, "B")
      await relay.until(isStuck, WITHIN_MS)
      await relay.stop()
    })
    await relay.stop()
    await refused(world)
    expect((await Effect.runPromise(plan(world))).diagnosis.refusal?.reason).toBe("transaction_hangs")
    await Effect.runPromise(rebase(world))
    await once(world, 25)
  })

  it("and of which half was sent: refused, and a rebase publishes nothing twice", async ({ world }) => {
    const { relay } = await withHanging(world, "relay.sent", async (relay, die) => {
      die()
      await writeBulk(world.sql, 20, "A")
      await relay.until(isStuck, WITHIN_MS)
      await relay.stop()
    })
    await relay.stop()
    await refused(world)
    await Effect.runPromise(rebase(world))
    await world.startRelay().until(({ backlog, state }) => state === "active" && backlog === 0, WITHIN_MS)
    await once(world, 20)
  })
})
