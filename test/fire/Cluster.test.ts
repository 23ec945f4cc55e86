import { it } from "@effect/vitest"
import { Effect } from "effect"
import { describe, expect } from "vitest"
import { dataFolder } from "../infra/embedded/Fixture.ts"
import { countNumbers, NOTHING_WRONG } from "../infra/kafka/Ledger.ts"
import { prepare, startWriters } from "../infra/kafka/LogWriter.ts"
import { openWorld, waitFor } from "../infra/kafka/RelayWorld.ts"
import * as KafkaNodes from "../support/KafkaNodes.ts"
import { recordsOf } from "./Topic.ts"

const PATIENCE_MS = 120_000
const KEYS = 200

const settings = () => ({
  "offsets.topic.replication.factor": 3,
  "transaction.state.log.replication.factor": 3,
  "transaction.state.log.min.isr": 2,
  "broker.session.timeout.ms": 6000,
  "unclean.leader.election.enable": "false"
})

describe.skipIf(process.env.ONCEGATE_FIRE !== "all")("three brokers", () => {
  it.live(
    "each coordinator and a leader killed in turn, and a rolling restart: nothing lost, doubled or out of order",
    () =>
      Effect.gen(function* () {
        const { brokers, nodes } = yield* KafkaNodes.start({
          folder: yield* dataFolder,
          count: 3,
          heapMb: 256,
          settings
        })
        const world = yield* Effect.promise(() => openWorld({ brokers }))
        yield* Effect.addFinalizer(() => Effect.promise(() => world.close()))
        yield* Effect.promise(() => prepare(world.sql, KEYS))
        let stopped = false
        const writers = startWriters(world.sql, {
          writers: 3,
          keys: KEYS,
          stop: () => stopped,
          pauseMs: 20
        })
        yield* Effect.addFinalizer(() =>
          Effect.promise(() => {
            stopped = true
            return writers.done
          })
        )
        const admin = world.kafka.admin()
        yield* Effect.acquireRelease(
          Effect.promise(() => admin.connect()),
          () => Effect.promise(() => admin.disconnect())
        )
        const relay = world.startRelay()
        const moves = (what: string) =>
          Effect.promise(async () => {
            const at = writers.written()
            await waitFor(
              `progress ${what}`,
              async () => (await relay.status()).records.events,
              (events) => events > at,
              PATIENCE_MS
            )
          })
        /** The node that leads partition 0 of a topic now. */
        const leads = (topic: string) =>
          Effect.promise(async () => {
            const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
            return nodes.find(({ id }) => id === topics[0]!.partitions[0]!.leader)!
          })
        const isWhole = (topic: string) =>
          Effect.promise(() =>
            waitFor(
              `${topic} whole again`,
              () => admin.fetchTopicMetadata({ topics: [topic] }),
              ({ topics }) => topics[0]!.partitions.every(({ isr }) => isr.length === 3),
              PATIENCE_MS
            )
          )
        yield* moves("at first")
        for (const topic of ["__transaction_state", "__consumer_offsets", world.names.events]) {
          const node = yield* leads(topic)
          yield* node.kill
          yield* moves(`without the leader of ${topic}`)
          yield* node.start
          yield* isWhole(topic)
        }
        for (const node of nodes) {
          yield* node.stop
          yield* moves(`while node ${node.id} restarts`)
          yield* node.start
          yield* isWhole(world.names.events)
        }
        stopped = true
        yield* Effect.promise(async () => {
          await writers.done
          await relay.until(({ backlog, state }) => state === "active" && backlog === 0, PATIENCE_MS)
          await waitFor(
            "all of it visible",
            async () => (await recordsOf(world, world.names.events)).length,
            (count) => count >= writers.written(),
            PATIENCE_MS
          )
          const arrived = (await recordsOf(world, world.names.events)).map(({ value }) => {
            const [, payment, n] = String(JSON.parse(value).effect_key).split(":")
            return { payment: payment!, n: Number(n) }
          })
          expect(arrived.length).toBe(writers.written())
          expect(await countNumbers(world.sql, arrived)).toEqual(NOTHING_WRONG)
        })
        console.info(
          `${writers.written()} facts, troubles: ${world.logs.filter((line) => line.startsWith("RELAY_TROUBLE")).join("; ")}`
        )
      }).pipe(Effect.scoped),
    900_000
  )
})
