import { Effect } from "effect"
import type { Kafka } from "kafkajs"
import { attempt } from "../infra/kafka/KafkaFailed.ts"
import type { PartitionLag } from "./ConsumerStatus.ts"
import { committedOffsets } from "./session.ts"

/** How far a group is behind, by the brokers' own books. */
export const lagOf = (kafka: Kafka, groupId: string, topics: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const admin = yield* Effect.acquireRelease(
        Effect.sync(() => kafka.admin()),
        (admin) => Effect.sync(() => void admin.disconnect().catch(() => {}))
      )
      yield* attempt("lag.connect", 10_000, () => admin.connect())
      const offsets = yield* committedOffsets(admin, groupId, topics)
      return offsets.map(
        ({ topic, partition, committed, end }): PartitionLag => ({
          topic,
          partition,
          committed,
          end,
          lag: Math.max(0, Number(BigInt(end) - BigInt(committed)))
        })
      )
    })
  )
