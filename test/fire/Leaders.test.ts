import { createRequire } from "node:module"
import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { writeBulk } from "../infra/kafka/LogWriter.ts"
import { isCaughtUp } from "../infra/kafka/RelayFixture.ts"
import { openWorld, waitFor } from "../infra/kafka/RelayWorld.ts"
import * as KafkaNodes from "../support/KafkaNodes.ts"
import { countOf, exactly } from "./Topic.ts"

const PAYMENTS = 60
const MOVED = process.env.ONCEGATE_FIRE === "all" ? [6, 7, 8, 9, 10, 11] : [6, 7, 8]

interface Broker {
  readonly nodeId: number
  produce: (request: object) => Promise<unknown>
}
const { prototype: broker } = createRequire(import.meta.url)("kafkajs/src/broker") as { prototype: Broker }

/** Answers of node 1 to Produce come so late that others have been asked again by then. */
const withSlowNode = async (ms: number, work: () => Promise<void>) => {
  const { produce } = broker
  broker.produce = async function (this: Broker, request) {
    const answer = await produce.call(this, request)
    if (this.nodeId === 1) await new Promise((resolve) => setTimeout(resolve, ms))
    return answer
  }
  await work().finally(() => {
    broker.produce = produce
  })
}

/** Two brokers; one partition after the other moves to the first, each in the middle of a transaction of the relay. */
const moveAll = (slowMs: number) =>
  Effect.gen(function* () {
    const { brokers } = yield* KafkaNodes.start({ folder: yield* dataFolder, count: 2, heapMb: 256 })
    yield* Effect.promise(() =>
      withSlowNode(slowMs, async () => {
        const world = await openWorld({ brokers })
        const admin = world.kafka.admin()
        await admin.connect()
        try {
          const topic = world.names.events
          await admin.createTopics({
            waitForLeaders: false,
            topics: [
              {
                topic,
                replicaAssignment: Array.from({ length: 12 }, (_, partition) => ({
                  partition,
                  replicas: [MOVED.includes(partition) ? 2 : 1]
                }))
              }
            ]
          })
          await writeBulk(world.sql, PAYMENTS, "A")
          const relay = world.startRelay()
          await relay.until(isCaughtUp(2 * PAYMENTS))
          for (const [round, moved] of MOVED.entries()) {
            // The relay is not told: it learns from the answer of the broker that led the partition.
            await admin.alterPartitionReassignments({
              topics: [{ topic, partitionAssignment: [{ partition: moved, replicas: [1] }] }]
            })
            await waitFor(
              "moved",
              () => admin.fetchTopicMetadata({ topics: [topic] }),
              ({ topics: [found] }) =>
                found?.partitions.find(({ partitionId }) => partitionId === moved)?.leader === 1
            )
            await writeBulk(world.sql, PAYMENTS, `R${round}x`)
            await relay.until(isCaughtUp(2 * PAYMENTS * (round + 2)))
          }
          expect(await countOf(world, PAYMENTS * (MOVED.length + 1))).toEqual(
            exactly(PAYMENTS * (MOVED.length + 1))
          )
        } finally {
          await admin.disconnect()
          await world.close()
        }
      })
    )
  }).pipe(Effect.scoped)

describe("a partition moves while the relay publishes", () => {
  it.live("to a broker that has answered: its records are not left out", () => moveAll(0), 180_000)
  it.live("to one that has not answered yet: the others are not sent twice", () => moveAll(300), 180_000)
})
