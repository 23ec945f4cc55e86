import { Effect, Scope } from "effect"
import type { TopicMessages } from "kafkajs"
import { KafkaFailed } from "../kafka/KafkaFailed.ts"
import type { FencedProducer } from "../kafka/Producer.ts"
import type { TopicEnds } from "../kafka/TopicEnds.ts"
import type { BatchId } from "../postgres/RelayCheckpoint.ts"

const TRIES = 30
const PAUSE_MS = 500
/** Of what we sent ourselves, a part may be aborted: the topics must be read again. */
const IN_PART = "REBASED_IN_PART"

/**
 * A producer that outlives failures. A transaction whose reply is lost is committed or not: its successor ends what is
 * under way, and the offset, which every transaction moves, tells. So nothing is sent twice, and no topic is read again.
 */
export const make = Effect.fnUntraced(function* (
  fence: (
    look: Effect.Effect<TopicEnds, KafkaFailed>
  ) => Effect.Effect<FencedProducer, KafkaFailed, Scope.Scope>,
  readUnended: Effect.Effect<TopicEnds, KafkaFailed>
) {
  const scope = yield* Effect.scope
  const refuseUnended = Effect.tap(readUnended, ({ size }) =>
    size === 0 ? Effect.void : new KafkaFailed({ operation: "rebase", code: IN_PART, refused: false })
  )
  let producer = yield* fence(readUnended)
  const { unended } = producer
  let last = yield* producer.checkpoint

  const publish = (messages: ReadonlyArray<TopicMessages>, id: BatchId, joined?: TopicEnds) =>
    Effect.gen(function* () {
      let failed: KafkaFailed | undefined
      for (let tries = 0; tries < TRIES; tries += 1) {
        const outcome = yield* Effect.result(
          Effect.gen(function* () {
            if (failed !== undefined) {
              producer = yield* fence(refuseUnended)
              const found = yield* producer.checkpoint
              if (found?.batch === id.batch && found.nonce === id.nonce) return
              if (found?.batch !== last?.batch || found?.nonce !== last?.nonce)
                return yield* new KafkaFailed({
                  operation: "rebase",
                  code: "FENCED_BY_ANOTHER",
                  refused: true
                })
            }
            yield* producer.publish(messages, id, joined)
          }).pipe(Scope.provide(scope))
        )
        if (outcome._tag === "Success") {
          last = id
          return
        }
        failed = outcome.failure
        if (failed.refused || failed.code === IN_PART) break
        yield* Effect.sleep(PAUSE_MS)
      }
      return yield* failed!
    })

  return {
    /** What Kafka has now. */
    last: () => last,
    /** What hung before. */
    unended,
    /** Fails where something of ours hangs by now. */
    refuseUnended,
    publish
  }
})
export type PatientProducer = Effect.Success<ReturnType<typeof make>>
