import { randomUUID } from "node:crypto"
import { Effect, Schedule } from "effect"
import type { Admin, Kafka } from "kafkajs"
import { failpoint } from "../../domain/Failpoint.ts"
import type { Leadership } from "../postgres/LeaderLock.ts"
import { isAheadOfServer, origin, type Place } from "../postgres/LogReader.ts"
import { type BatchId, confirm, open, read, remove } from "../postgres/RelayCheckpoint.ts"
import { holdsNewest, replacedForGood } from "./Evidence.ts"
import { KafkaFailed } from "./KafkaFailed.ts"
import { type FencedProducer, fence, peek } from "./Producer.ts"
import { reachedOf, readEnds, readUnended, type TopicEnds } from "./TopicEnds.ts"
import type { TopicNames } from "./Topics.ts"
import { CheckpointRefused, judge, MEND, rebaseNonce, seemsBehind, transactionHangs } from "./Verdict.ts"

/** Where a relay begins once both halves of the checkpoint agree. */
export interface Settled {
  readonly producer: FencedProducer
  /** Of the topics, kept by the producer. */
  readonly ends: TopicEnds
  readonly place: Place
  readonly last: BatchId
  /** Kafka has forgotten its half: it must be written again soon. */
  readonly recommit: boolean
}

/** The last batch that Kafka acknowledged to this process, and where the partitions ended with it. */
export interface Acknowledged extends BatchId {
  readonly ends: TopicEnds
}

export interface SettleOptions {
  readonly kafka: Kafka
  readonly admin: Admin
  readonly names: TopicNames
  readonly clusterId: string
  readonly acknowledged: Acknowledged | undefined
  /** How long a disagreement is looked at again before it is believed: a broker just restarted can answer an old offset. */
  readonly patienceMs: number
  /** How long a transaction may go on before it counts as one that Kafka forgot. */
  readonly unendedMs: number
}

const LOOK_MS = 500

/** Finds out where to go on, or refuses. Needs the lock; on return every earlier relay is fenced off in Kafka too. */
export const settle = Effect.fnUntraced(function* (leader: Leadership, options: SettleOptions) {
  const { acknowledged, kafka, admin, names, clusterId, unendedMs } = options
  const judged = <E>(last: Effect.Effect<BatchId | undefined, E>) =>
    Effect.gen(function* () {
      const kafkaHas = yield* last
      return yield* Effect.fromResult(judge(yield* read(leader), { clusterId, last: kafkaHas }))
    }).pipe(
      Effect.retry({
        while: (error) => error instanceof CheckpointRefused,
        schedule: Schedule.spaced(LOOK_MS).pipe(Schedule.upTo({ duration: options.patienceMs }))
      })
    )

  // A first look that fences nobody: a copy of the database must not disturb the relay of the original. That Kafka is
  // behind is not believed yet: a commit is acknowledged before its markers are written, and a broker killed in between
  // answers the old offset until it has written them. Fencing waits for that.
  yield* Effect.catchIf(
    judged(peek(admin, names)),
    (error) => error._tag === "CheckpointRefused" && seemsBehind(error),
    (error) =>
      Effect.logInfo("Kafka's checkpoint seems to be behind: it is read again behind a barrier").pipe(
        Effect.annotateLogs({ event: "RELAY_CHECKPOINT_DOUBTED", reason: error.message })
      )
  )
  // What was acknowledged is to be committed. Of a batch that was not, one part may be aborted already: only what the
  // topics hold tells, and a rebase reads it.
  const lookForUnended = Effect.gen(function* () {
    const unended = yield* readUnended(admin, names, unendedMs)
    if (unended.size === 0) return unended
    const { confirmed, open } = yield* read(leader)
    const wasAcknowledged =
      open === undefined
        ? confirmed !== undefined
        : [confirmed?.nonce, open.nonce].includes(acknowledged?.nonce) &&
          [...unended].every(([partition, end]) => end <= (acknowledged?.ends.get(partition) ?? -1n))
    return wasAcknowledged ? unended : yield* transactionHangs(unended.size)
  })
  const ends: TopicEnds = new Map()
  const producer = yield* fence(kafka, admin, names, { ends, look: lookForUnended })
  yield* failpoint("relay.fenced")
  const verdict = yield* judged(producer.checkpoint)

  const confirmed = (yield* read(leader)).confirmed
  const known = verdict._tag === "GoOn" ? verdict.from : verdict._tag === "Confirm" ? verdict.open : confirmed
  if (yield* isAheadOfServer(leader.connection, known?.place ?? origin))
    return yield* new CheckpointRefused({
      reason: "dump_of_other_server",
      explanation: `The log knows transaction ids that this PostgreSQL has not reached: it is a dump of another server. ${MEND}`
    })
  // Broken off, this aborts what it was to commit. Until it is through the offset stands under a nonce of no row: every
  // relay refuses, and a rebase publishes what is missing.
  if (known !== undefined && producer.unended.size > 0) {
    const { size } = producer.unended
    yield* producer.publish([], { batch: known.batch, nonce: rebaseNonce(randomUUID()) })
    yield* producer.publish([], known, producer.unended)
    if ((yield* readUnended(admin, names, unendedMs)).size > 0)
      return yield* new KafkaFailed({ operation: "settle", code: "TRANSACTION_HANGS", refused: false })
    yield* Effect.logWarning(
      `Kafka had not ended an acknowledged transaction in ${size} partitions: it is committed now`
    ).pipe(Effect.annotateLogs({ event: "RELAY_TRANSACTION_ENDED", partitions: size }))
  }
  // An offset is forgotten where a group slept for a week, and where Kafka came back from an older backup.
  if (verdict._tag === "GoOn" && verdict.recommit)
    if (!(yield* holdsNewest(leader.connection, admin, names, verdict.from.place)))
      return yield* new CheckpointRefused({
        reason: "records_gone",
        explanation: `Kafka has forgotten the relay's offset, and does not hold the newest facts that were published: it was restored to an earlier time, or its topics were made anew. ${MEND}`
      })
  const look = Effect.map(readEnds(admin, names), (found) => {
    for (const [partition, end] of found) ends.set(partition, end)
    return reachedOf(ends, names)
  })
  const anew =
    known === undefined
      ? []
      : yield* replacedForGood(
          leader.connection,
          look,
          { ...known, before: confirmed?.reached },
          { looks: 1 + Math.ceil(options.patienceMs / LOOK_MS), everyMs: LOOK_MS }
        )
  if (anew.length > 0)
    return yield* new CheckpointRefused({
      reason: "records_gone",
      explanation: `${anew.map((topic) => names[topic]).join(" and ")} holds less than was published to it: it was deleted and made anew. ${MEND}`
    })
  const reached = known === undefined ? yield* look : reachedOf(ends, names)
  if (verdict._tag === "Begin" && reached.events + reached.outcomes > 0)
    return yield* new CheckpointRefused({
      reason: "postgres_empty",
      explanation: `The topics hold records, and this database knows of no relay: it is a new or emptied one behind topics already in use. ${MEND}`
    })
  if (verdict._tag === "Confirm") yield* confirm(leader, { ...verdict.open, reached })
  if (verdict._tag === "Remove") yield* remove(leader, verdict.open)
  if (known !== undefined)
    return {
      producer,
      ends,
      place: known.place,
      last: { batch: known.batch, nonce: known.nonce },
      recommit: verdict._tag === "GoOn" && verdict.recommit
    } satisfies Settled

  // Batch 0 carries no record. Once it is in Kafka, a missing offset means a lost one, not a first start.
  const first = { batch: 0, nonce: randomUUID() }
  yield* open(leader, { ...first, place: origin, clusterId }, undefined)
  yield* producer.publish([], first)
  yield* confirm(leader, { ...first, reached })
  return { producer, ends, place: origin, last: first, recommit: false } satisfies Settled
})
