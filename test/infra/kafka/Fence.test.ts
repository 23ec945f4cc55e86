import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Admin, Kafka } from "kafkajs"
import { fence } from "../../../src/infra/kafka/Producer.ts"
import { namesOf } from "../../../src/infra/kafka/Topics.ts"

const names = namesOf("fence.")

interface Answer {
  readonly barrier: boolean
  readonly last: number
}

/** A broker that answers for offsets as it is told, the last answer again and again; `calls`: what the producer did. */
const given = (answers: ReadonlyArray<Answer>) => {
  const calls: Array<string> = []
  let barrier = ""
  let transactions = 0
  let asked = 0
  const producer = {
    connect: async () => void calls.push("connect"),
    disconnect: async () => {},
    transaction: async () => {
      transactions += 1
      const number = transactions
      return {
        abort: async () => void calls.push(`${number} abort`),
        commit: async () => void calls.push(`${number} commit`),
        sendBatch: async () => [],
        sendOffsets: async ({
          topics: [topic]
        }: {
          readonly topics: ReadonlyArray<{
            readonly partitions: ReadonlyArray<{ readonly partition: number; readonly metadata: string }>
          }>
        }) => {
          const [{ metadata, partition }] = topic!.partitions as [{ metadata: string; partition: number }]
          if (partition === 1) barrier = metadata
          calls.push(`${number} offset ${partition}`)
        }
      }
    }
  }
  const kafka = {
    producer: ({ transactionalId }: { readonly transactionalId: string }) => {
      calls.push(transactionalId)
      return producer
    }
  }
  const admin = {
    fetchOffsets: async () => {
      const { barrier: isThere, last } = answers[Math.min(asked, answers.length - 1)]!
      asked += 1
      return [
        {
          partitions: [
            { partition: 0, offset: String(last), metadata: `batch ${last}` },
            { partition: 1, offset: "0", metadata: isThere ? barrier : "of the relay before" }
          ]
        }
      ]
    }
  }
  return { admin: admin as unknown as Admin, calls, kafka: kafka as unknown as Kafka }
}

it.live(
  "fences first, under the one id of all relays; offsets are of the transaction that they stand for",
  () =>
    Effect.gen(function* () {
      const { admin, calls, kafka } = given([{ barrier: true, last: 7 }])
      const producer = yield* fence(kafka, admin, names)
      yield* producer.publish([], { batch: 8, nonce: "n" })
      assert.deepStrictEqual(calls, [
        names.transactionalId,
        "connect",
        "1 abort",
        "2 offset 1",
        "2 commit",
        "3 offset 0",
        "3 commit"
      ])
    }).pipe(Effect.scoped)
)

it.live.each([
  ["that does not show the barrier yet", { barrier: false, last: 7 }],
  ["that changes behind the barrier", { barrier: true, last: 7 }]
] as const)("an old offset is not believed of a broker %s", ([, first]) =>
  Effect.gen(function* () {
    const { admin, kafka } = given([
      first,
      { barrier: false, last: 7 },
      { barrier: false, last: 7 },
      { barrier: true, last: 8 }
    ])
    const { checkpoint } = yield* fence(kafka, admin, names)
    assert.deepStrictEqual(yield* checkpoint, { batch: 8, nonce: "batch 8" })
  }).pipe(Effect.scoped)
)
