import net from "node:net"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import type { FailpointName } from "../../../src/domain/Failpoint.ts"
import type { RelayStatus } from "../../../src/infra/kafka/RelayStatus.ts"
import { plan, rebase } from "../rebase/RebaseWorld.ts"
import { forgetting } from "./forgetful.ts"
import { writeBulk } from "./LogWriter.ts"
import { facts, isCaughtUp, it } from "./RelayFixture.ts"
import { type RunningRelay, type World, waitFor } from "./RelayWorld.ts"

const WITHIN_MS = 60_000

/** A relay at work, with a fault of its own at `point` while it is `dying`. */
const started = async (world: World, point: FailpointName) => {
  const own = { dying: false, died: false }
  const relay = world.startRelay({
    failpoints: (name) =>
      Effect.suspend(() => {
        if (!own.dying || name !== point) return Effect.void
        own.died = true
        return Effect.die(`a fault at ${name}`)
      })
  })
  await relay.until(({ state }) => state === "active", WITHIN_MS)
  /** Its batch stands in Postgres, and it could not go on. */
  const isStuck = ({ state }: RelayStatus) => own.died && state !== "active"
  return { isStuck, own, relay }
}
const hanging = async (world: World, work: () => Promise<unknown>) => {
  const admin = world.kafka.admin()
  await admin.connect()
  await forgetting(admin, world.names.transactionalId, work)
  await admin.disconnect()
}
const isDone = ({ backlog, state }: RelayStatus) => state === "active" && backlog === 0
const publish = async (world: World, relay: RunningRelay) => {
  await writeBulk(world.sql, 20, "A")
  await relay.until(isCaughtUp(40), WITHIN_MS)
}
/** Twenty facts hang, acknowledged; the batch of five more stands in Postgres, and nothing of it in Kafka. */
const hangingBeforeTheNext = async (world: World, then: (relay: RunningRelay) => Promise<void>) => {
  const { isStuck, own, relay } = await started(world, "relay.batch.written")
  await hanging(world, async () => {
    await publish(world, relay)
    own.dying = true
    await writeBulk(world.sql, 5, "B")
    await relay.until(isStuck, WITHIN_MS)
    await then(relay)
  })
  return { own, relay }
}
const once = async (world: World, n: number) => {
  const ids = (await facts(world, n)).map(({ headers }) => headers.ce_id)
  expect([ids.length, new Set(ids).size]).toEqual([n, n])
}
const refused = async (relay: RunningRelay, reason: string) => {
  const found = await relay.until(({ state }) => state === "refused", WITHIN_MS)
  await relay.stop()
  expect(found.reason?.explanation).toMatch(new RegExp(`^${reason}: .*oncegate relay rebase`))
}

describe.concurrent("a transaction that Kafka forgot to end", { timeout: 3 * WITHIN_MS }, () => {
  it("and had acknowledged: the next relay commits it", async ({ world }) => {
    const { relay } = await started(world, "relay.read")
    await hanging(world, () => publish(world, relay))
    await relay.stop()
    await writeBulk(world.sql, 5, "B")
    await world.startRelay().until(isCaughtUp(10), WITHIN_MS)
    await once(world, 25)
    expect(world.logs.filter((line) => line.startsWith("RELAY_TRANSACTION_ENDED")).length).toBe(1)
  })

  it("and had acknowledged before the next batch began: the relay that knows commits it", async ({
    world
  }) => {
    const { own, relay } = await hangingBeforeTheNext(world, async () => {})
    own.dying = false
    await relay.until(isCaughtUp(50), WITHIN_MS)
    await once(world, 25)
  })

  it("before the next batch began, and the relay that knew is gone: refused, and mended by a rebase", async ({
    world
  }) => {
    await hangingBeforeTheNext(world, (relay) => relay.stop())
    await refused(world.startRelay(), "transaction_hangs")
    expect((await Effect.runPromise(plan(world))).diagnosis.refusal?.reason).toBe("transaction_hangs")
    await Effect.runPromise(rebase(world))
    await once(world, 25)
  })

  it("and of which the offset was not sent: refused, and a rebase publishes nothing twice", async ({
    world
  }) => {
    const { isStuck, own, relay } = await started(world, "relay.sent")
    await publish(world, relay)
    await hanging(world, async () => {
      own.dying = true
      await writeBulk(world.sql, 5, "B")
      await relay.until(isStuck, WITHIN_MS)
    })
    own.dying = false
    await refused(relay, "transaction_hangs")
    await Effect.runPromise(rebase(world))
    await world.startRelay().until(isDone, WITHIN_MS)
    await once(world, 25)
  })

  it("and whose end is broken off: every relay refuses until a rebase has published it again", async ({
    world
  }) => {
    const { relay } = await started(world, "relay.read")
    await hanging(world, () => publish(world, relay))
    await relay.stop()
    const next = world.startRelay({
      failpoints: (name) => (name === "relay.ending" ? Effect.die("killed") : Effect.void)
    })
    await refused(next, "rebase_unfinished")
    await Effect.runPromise(rebase(world))
    await world.startRelay().until(isDone, WITHIN_MS)
    await once(world, 20)
  })

  it("and whose end by a rebase breaks off, so that it is aborted: the rebase publishes it again", async ({
    world
  }) => {
    await hangingBeforeTheNext(world, (relay) => relay.stop())
    await Effect.runPromise(rebase(world, null, "relay.ending", 1))
    await once(world, 25)
  })
})

// By itself: it cuts every connection to the broker.
it("a transaction that Kafka forgot to end while its relay has nothing to do: seen by a connection that ended", {
  timeout: 3 * WITHIN_MS
}, async ({ world }) => {
  const port = Number(world.brokers[0]!.split(":")[1])
  const sockets: Array<net.Socket> = []
  const direct = net.connect
  net.connect = ((options: net.TcpNetConnectOpts, onConnect?: () => void) => {
    const socket = direct(options, onConnect)
    if (options.port === port) sockets.push(socket)
    return socket
  }) as typeof net.connect
  try {
    const { relay } = await started(world, "relay.read")
    await hanging(world, () => publish(world, relay))
    for (const socket of sockets) socket.destroy()
    await waitFor(
      "ended",
      () => world.logs,
      (lines) => lines.some((line) => line.startsWith("RELAY_TRANSACTION_ENDED")),
      WITHIN_MS
    )
    await once(world, 20)
  } finally {
    net.connect = direct
  }
})
