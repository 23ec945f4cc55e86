import { Cause, Deferred, Effect, type Scope, Semaphore } from "effect"
import type { Consumer as KafkajsConsumer } from "kafkajs"
import { attempt, KafkaFailed } from "../infra/kafka/KafkaFailed.ts"
import * as Availability from "./Availability.ts"
import { type ConsumerOptions, complete } from "./ConsumerOptions.ts"
import { type ConsumerState, type ConsumerStatus, makeCounts, type PartitionLag } from "./ConsumerStatus.ts"
import { makeClient } from "./client.ts"
import * as DeadLetters from "./DeadLetters.ts"
import { type ConsumerRefused, classOf } from "./errors.ts"
import * as Flow from "./Flow.ts"
import { type Delivery, makeHandle } from "./handle.ts"
import { migrateInbox } from "./Inbox.ts"
import * as Lanes from "./Lanes.ts"
import { lagOf } from "./lagOf.ts"
import { session } from "./session.ts"

/** What can be asked of a consumer. */
export interface ConsumerShape {
  readonly status: Effect.Effect<ConsumerStatus>
  /** Asks the brokers. For the whole group, whichever members have the partitions. */
  readonly lag: Effect.Effect<ReadonlyArray<PartitionLag>, KafkaFailed>
}

const CALL_MS = 10_000
const BACKOFF_MS = { first: 100, last: 5_000 }
const POLL_MS = 5

/**
 * Consumes in the background until the scope closes. It fails for no reason: what goes wrong is logged, shown in the
 * status and tried again. On close it lets the handlers at work finish, commits their offsets and leaves the group.
 */
export const make = <R = never>(
  options: ConsumerOptions<R>
): Effect.Effect<ConsumerShape, ConsumerRefused, R | Scope.Scope> =>
  Effect.gen(function* () {
    const settled = yield* Effect.try({
      try: () => complete(options),
      catch: (refused) => refused as ConsumerRefused
    })
    const { sql, groupId, topics, buffer, sessionTimeoutMs } = settled
    const kafka = makeClient(settled)
    const counts = makeCounts()
    const inFlight = { count: 0 }
    let flow: { readonly consumer: KafkajsConsumer; readonly flow: Flow.Flow } | undefined
    let isStopping = false
    let isStopped = false
    const trouble: { kafka: string | null; database: string | null } = { kafka: null, database: null }

    const say = (event: string, text: string, code?: string) =>
      Effect.logInfo(text).pipe(
        Effect.annotateLogs({ event, group: groupId, ...(code === undefined ? {} : { code }) })
      )
    const regulate = () => flow?.flow.regulate(isStopping || trouble.database !== null)
    const availability = yield* Availability.make(sql, (code) =>
      Effect.suspend(() => {
        trouble.database = code
        if (code !== null) counts.databaseOutages += 1
        regulate()
        return code === null
          ? say("CONSUMER_RESUMED", "the database serves again")
          : say("CONSUMER_PAUSED", "the database cannot serve: nothing is fetched until it does", code)
      })
    )
    const deadLetters = yield* DeadLetters.make(kafka, settled.deadLetterTopic, groupId)
    const permits = yield* Semaphore.make(settled.concurrency)
    const handle = makeHandle<R>({ settled, counts, availability, deadLetters, permits, inFlight })
    let crash = () => {}
    const lanes = yield* Lanes.make<Delivery & { readonly done: () => void }, R>((delivery) =>
      handle(delivery).pipe(
        Effect.tap((isDone) => Effect.sync(() => (isDone ? delivery.done() : undefined))),
        Effect.asVoid,
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
          // Its partition would stand still: everything that was not committed is fetched anew.
          crash()
          return Effect.logError("a fault of the consumer itself", cause)
        })
      )
    )

    const commit = Effect.suspend(() => {
      const due = flow?.flow.due()
      const { consumer } = flow ?? {}
      if (due === undefined || due.offsets.length === 0) return Effect.void
      return attempt("commit", CALL_MS, () => consumer!.commitOffsets([...due.offsets])).pipe(
        Effect.andThen(Effect.sync(due.settle)),
        // In the middle of a rebalance, say. What was not committed comes again, and the inbox knows it.
        Effect.ignore
      )
    })

    let backoffMs = BACKOFF_MS.first
    /** Codes that the log has since the last join. */
    const told = new Set<string>()
    const once = Effect.scoped(
      Effect.gen(function* () {
        const broken = yield* Deferred.make<never, KafkaFailed>()
        crash = () => {
          // At once: what follows the record in its lane must not be handled before it.
          flow = undefined
          const failed = new KafkaFailed({ operation: "handle", code: "DEFECT", refused: false })
          Deferred.doneUnsafe(broken, Effect.fail(failed))
        }
        const consuming = session({
          kafka,
          groupId,
          topics,
          sessionTimeoutMs,
          deadLetters,
          onJoin: (consumer, assignment) => {
            flow = { consumer, flow: Flow.make(consumer, assignment, buffer) }
            regulate()
            backoffMs = BACKOFF_MS.first
            trouble.kafka = null
            told.clear()
          },
          onOpen: (assignment) => {
            if (flow?.flow.assignment === assignment) flow.flow.open()
          },
          onEmpty: ({ topic, partition }, last) =>
            flow?.flow.find(topic, partition)?.positions.accept([], last),
          onBatch: ({ batch }) => {
            const { topic, partition, messages } = batch
            const mine = flow
            const found = mine?.flow.find(topic, partition)
            if (found === undefined || isStopping) return false
            found.positions.accept(
              messages.map(({ offset }) => offset),
              batch.lastOffset()
            )
            for (const message of messages) {
              const { offset } = message
              // Without a key there is no order to keep but the partition's.
              const lane = `${topic} ${message.key?.toString("latin1") ?? `/${partition}`}`
              lanes.push(lane, {
                origin: { topic, partition, offset },
                message,
                isCurrent: () => flow === mine && !isStopping,
                done: () => {
                  found.positions.done(offset)
                  if (flow === mine) regulate()
                }
              })
            }
            regulate()
            return true
          }
        })
        const committing = Effect.forever(Effect.andThen(Effect.sleep(settled.commitIntervalMs), commit))
        return yield* Effect.raceAllFirst([consuming, committing, Deferred.await(broken)]).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              flow = undefined
            })
          )
        )
      })
    )

    const onTrouble = Effect.fnUntraced(function* (code: string) {
      trouble.kafka = code
      counts.reconnects += 1
      if (!told.has(code)) {
        told.add(code)
        yield* say("CONSUMER_RECONNECTING", "a new consumer of kafkajs is built", code)
      }
      yield* Effect.sleep(backoffMs * (0.75 + Math.random() / 2))
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MS.last)
    })
    const consume: Effect.Effect<never> = once.pipe(
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        const failure = cause.reasons.find((reason) => reason._tag === "Fail")
        return failure === undefined
          ? Effect.andThen(Effect.logError("a fault of the consumer itself", cause), onTrouble("DEFECT"))
          : onTrouble(failure.error.code)
      }),
      Effect.forever
    )

    const migrate = Effect.tryPromise({ try: () => migrateInbox(sql), catch: classOf }).pipe(
      Effect.timeoutOrElse({
        duration: CALL_MS,
        orElse: () => Effect.fail({ name: "Timeout", code: "CLIENT_TIMEOUT" })
      }),
      Effect.catch(({ code = "UNKNOWN" }) =>
        Effect.gen(function* () {
          if (trouble.database !== code)
            yield* say("CONSUMER_PAUSED", "the inbox cannot be made sure of", code)
          trouble.database = code
          yield* Effect.sleep(1_000)
          return "again" as const
        })
      ),
      Effect.repeat({ while: (came) => came === "again" }),
      Effect.andThen(
        Effect.sync(() => {
          trouble.database = null
        })
      )
    )

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isStopped = true
      })
    )
    yield* Effect.forkScoped(Effect.andThen(settled.migrate ? migrate : Effect.void, consume))
    // Runs first when the scope closes: while the consumer is still a member and can commit.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        isStopping = true
        regulate()
        yield* Effect.suspend(() => (inFlight.count > 0 ? Effect.sleep(POLL_MS) : Effect.void)).pipe(
          Effect.repeat({ while: () => inFlight.count > 0 }),
          Effect.timeoutOrElse({ duration: settled.drainMs, orElse: () => Effect.void })
        )
        yield* lanes.clear
        yield* commit
      })
    )

    const state = (): ConsumerState => {
      if (isStopped) return "stopped"
      if (trouble.database !== null) return "paused"
      if (trouble.kafka !== null) return "reconnecting"
      return flow === undefined ? "starting" : "running"
    }
    return {
      status: Effect.sync(() => ({
        state: state(),
        reason: trouble.database ?? trouble.kafka,
        counts: { ...counts },
        inFlight: inFlight.count,
        waiting: lanes.waiting(),
        assigned: flow?.flow.assignment ?? []
      })),
      lag: lagOf(kafka, groupId, topics)
    }
  })
