import { Effect, Scope } from "effect"
import type { TopicMessages } from "kafkajs"
import { KafkaFailed } from "../kafka/KafkaFailed.ts"
import type { FencedProducer } from "../kafka/Producer.ts"
import type { TopicEnds } from "../kafka/TopicEnds.ts"
import type { BatchId } from "../postgres/RelayCheckpoint.ts"

const TRIES = 30
const PAUSE_MS = 500
/** Of what we sent ourselves, a part may be aborted: the topics must be read again. */
const HANGS = "TRANSACTION_HANGS"

/**
 * A producer that outlives failures. A transaction whose reply is lost is committed or not: its successor ends what is
 * under way, and the offset, which every transaction moves, tells. So nothing is sent twice, and no topic is read again.
 */
export const make = Effect.fnUntraced(function* (
  fence: (
    onUnended: (unended: TopicEnds) => Effect.Effect<void, KafkaFailed>
  ) => Effect.Effect<FencedProducer, KafkaFailed, Scope.Scope>
) {
  const scope = yield* Effect.scope
  // What the topics hold is read after this: whatever becomes of it, it is seen.
  let producer = yield* fence(() => Effect.void)
  let last = yield* producer.checkpoint

  const publish = (messages: ReadonlyArray<TopicMessages>, id: BatchId) =>
    Effect.gen(function* () {
      let failed: KafkaFailed | undefined
      for (let tries = 0; tries < TRIES; tries += 1) {
        const outcome = yield* Effect.result(
          Effect.gen(function* () {
            if (failed !== undefined) {
              producer = yield* fence(
                () => new KafkaFailed({ operation: "rebase", code: HANGS, refused: false })
              )
              const found = yield* producer.checkpoint
              if (found?.batch === id.batch && found.nonce === id.nonce) return
              if (found?.batch !== last?.batch || found?.nonce !== last?.nonce)
                return yield* new KafkaFailed({
                  operation: "rebase",
                  code: "FENCED_BY_ANOTHER",
                  refused: true
                })
            }
            yield* producer.publish(messages, id)
          }).pipe(Scope.provide(scope))
        )
        if (outcome._tag === "Success") {
          last = id
          return
        }
        failed = outcome.failure
        if (failed.refused || failed.code === HANGS) break
        yield* Effect.sleep(PAUSE_MS)
      }
      return yield* failed!
    })

  return {
    /** What Kafka has now. */
    last: () => last,
    publish
  }
})
export type PatientProducer = Effect.Success<ReturnType<typeof make>>
