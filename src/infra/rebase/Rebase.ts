import { randomUUID } from "node:crypto"
import { Effect, Schedule, type Scope } from "effect"
import type { Admin, Kafka } from "kafkajs"
import { failpoint } from "../../domain/Failpoint.ts"
import { retentionOf } from "../audit/Published.ts"
import * as KafkaClient from "../kafka/KafkaClient.ts"
import { attempt, KafkaFailed } from "../kafka/KafkaFailed.ts"
import type { PartitionCounts } from "../kafka/Messages.ts"
import { connectAdmin, fence, peek } from "../kafka/Producer.ts"
import { readUnended, UNENDED_MS } from "../kafka/TopicEnds.ts"
import { ensure, namesOf, type TopicNames } from "../kafka/Topics.ts"
import { rebaseNonce } from "../kafka/Verdict.ts"
import { type Connection, Database } from "../postgres/Database.ts"
import { acquire, type Leadership } from "../postgres/LeaderLock.ts"
import { isAheadOfServer, origin, prepareSession } from "../postgres/LogReader.ts"
import * as RelayCheckpoint from "../postgres/RelayCheckpoint.ts"
import { replaceOpen } from "./checkpointStatements.ts"
import { type Comparison, compare, type Kept, weigh } from "./compare.ts"
import { type Diagnosis, diagnose } from "./Diagnosis.ts"
import { adoptDump, skipPositions } from "./logStatements.ts"
import * as PatientProducer from "./PatientProducer.ts"
import { publishMissing } from "./publishMissing.ts"
import * as Record from "./RebaseRecord.ts"
import { RebaseRefused } from "./RebaseRefused.ts"
import type { StartAt } from "./StartAt.ts"
import { bookEffects, saveStrays } from "./strays.ts"
import * as TopicTable from "./TopicTable.ts"

const CALL_MS = 10_000
const DAY_MS = 86_400_000
/** A refused relay gives the lock back between two looks, half a minute apart; an active one never does. */
const LOCK_MS = 45_000

export type Phase = "reading" | "publishing"

export interface RebaseOptions {
  readonly kafka: Omit<KafkaClient.KafkaOptions, "clientId"> & { readonly topicPrefix: string }
  /** Null: `kafka`, and only where a relay would refuse. */
  readonly startAt: StartAt | null
  readonly nowMs: number
  readonly lockMs?: number
  readonly unendedMs?: number
  readonly onProgress: (phase: Phase, records: number) => void
}

/** What was found, and what a rebase would do or did. */
export interface Rebased {
  readonly diagnosis: Diagnosis
  readonly comparison: Comparison
  readonly startAt: StartAt
  readonly choices: ReadonlyArray<{ readonly startAt: StartAt } & Effect.Success<ReturnType<typeof weigh>>>
}

/** Nothing is refused and nobody asked for more. */
export interface NothingToMend {
  readonly diagnosis: Diagnosis
  readonly comparison: null
}

interface Reached {
  readonly kafka: Kafka
  readonly admin: Admin
  readonly names: TopicNames
  readonly unendedMs: number
}

const reach = Effect.fnUntraced(function* ({ kafka: options, unendedMs = UNENDED_MS }: RebaseOptions) {
  const kafka = yield* KafkaClient.make({ ...options, clientId: "oncegate-rebase" })
  return {
    kafka,
    admin: yield* connectAdmin(kafka),
    names: namesOf(options.topicPrefix),
    unendedMs
  } satisfies Reached
})

/** A session for long statements and tables of its own; a lost connection loses them, and the rebase fails. */
const longSession = Effect.fnUntraced(function* () {
  const connection = yield* (yield* Database).session("rebase", 2 ** 31 - 1)
  yield* connection.script(
    "rebase session",
    `SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
     SET plan_cache_mode = force_custom_plan; SET work_mem = '64MB'`
  )
  return connection
})

/** Since when the topics keep their records, with a day of margin: what is older may rightly be gone. */
const keptOf = Effect.fnUntraced(function* ({ admin, names }: Reached, nowMs: number) {
  const since = (retention: number) =>
    Number.isFinite(retention) ? new Date(nowMs - retention + DAY_MS) : null
  return {
    events: since(yield* retentionOf(admin, names.events, Number.POSITIVE_INFINITY)),
    outcomes: since(yield* retentionOf(admin, names.outcomes))
  } satisfies Kept
})

const choicesOf = (connection: Connection, startAt: StartAt) =>
  Effect.forEach([...new Set<StartAt>(["kafka", "postgres", startAt])], (choice) =>
    Effect.map(weigh(connection, choice), (weight) => ({ startAt: choice, ...weight }))
  )

/** What a rebase would find and do now. Fences nobody and changes nothing; a relay at work makes its figures stale. */
export const plan: (
  options: RebaseOptions
) => Effect.Effect<
  Rebased | NothingToMend,
  KafkaFailed | Effect.Error<ReturnType<typeof diagnose>> | RebaseRefused,
  Database | Scope.Scope
> = Effect.fnUntraced(function* (options) {
  const reached = yield* reach(options)
  const { admin, kafka, names, unendedMs } = reached
  const connection = yield* longSession()
  const { clusterId } = yield* attempt("rebase.cluster", CALL_MS, () => admin.describeCluster())
  const topics = new Set(yield* attempt("rebase.topics", CALL_MS, () => admin.listTopics()))
  const isMade = [names.checkpoint, names.events, names.outcomes].every((name) => topics.has(name))
  const last = topics.has(names.checkpoint) ? yield* peek(admin, names) : undefined
  const diagnosis = yield* diagnose(connection, admin, names, { clusterId, kafka: last, isMade }, unendedMs)
  if (diagnosis.refusal === null && options.startAt === null) return { diagnosis, comparison: null }
  const startAt = options.startAt ?? "kafka"
  const found = yield* TopicTable.ranges(admin, names)
  yield* TopicTable.load(connection, kafka, found, (records) => options.onProgress("reading", records))
  const comparison = yield* compare(
    connection,
    diagnosis.confirmed?.place,
    yield* keptOf(reached, options.nowMs)
  )
  const choices = yield* choicesOf(connection, startAt)
  return { diagnosis, comparison, startAt, choices }
})

/** One go at it, from fencing to confirmation. */
const rebase = Effect.fnUntraced(function* (
  leader: Leadership,
  reached: Reached,
  options: Omit<RebaseOptions, "startAt"> & { readonly startAt: StartAt },
  {
    clusterId,
    partitions,
    record
  }: {
    readonly clusterId: string
    readonly partitions: PartitionCounts
    readonly record: string
  }
) {
  const { admin, kafka, names, unendedMs } = reached
  const { startAt } = options
  const connection = yield* longSession()
  const unended = readUnended(admin, names, unendedMs)
  const producer = yield* PatientProducer.make((look) => fence(kafka, admin, names, { look }), unended)
  const last = producer.last()
  const { confirmed, open } = yield* RelayCheckpoint.read(leader)
  if (yield* isAheadOfServer(leader.connection, origin)) yield* adoptDump(connection)

  // Postgres first: an offset that expires before this ends leaves an open row, and that is refused too.
  const newest = Math.max(0, confirmed?.batch ?? 0, open?.batch ?? 0, last?.batch ?? 0)
  const uuid = randomUUID()
  let marker = { batch: newest + 1, nonce: rebaseNonce(uuid) }
  const place = confirmed?.place ?? origin
  yield* replaceOpen(leader, { batch: marker.batch, nonce: uuid, place, clusterId })
  yield* producer.publish([], marker)
  yield* failpoint("rebase.marked")
  if (producer.unended.size > 0) {
    // Seen by the comparison, whatever was to become of it: committed here, or aborted where this is broken off.
    marker = { batch: marker.batch + 1, nonce: rebaseNonce(randomUUID()) }
    yield* producer.publish([], marker, producer.unended)
    if ((yield* unended).size > 0)
      return yield* new KafkaFailed({ operation: "rebase", code: "TRANSACTION_HANGS", refused: true })
  }

  const found = yield* TopicTable.ranges(admin, names)
  yield* TopicTable.load(connection, kafka, found, (records) => options.onProgress("reading", records))
  const unbooked = yield* bookEffects(connection)
  const comparison = {
    ...(yield* compare(connection, confirmed?.place, yield* keptOf(reached, options.nowMs))),
    unbooked
  }
  const choices = yield* choicesOf(connection, startAt)
  yield* saveStrays(connection, kafka, found, record)
  yield* skipPositions(connection)
  const batch = yield* publishMissing(connection, producer, names, partitions, marker, startAt, (records) =>
    options.onProgress("publishing", records)
  )
  yield* failpoint("rebase.published")
  yield* producer.refuseUnended

  const final = { batch: batch + 1, nonce: randomUUID() }
  const { snapshot } = comparison
  yield* replaceOpen(leader, { ...final, place: { from: snapshot, to: snapshot, position: -1 }, clusterId })
  yield* producer.publish([], final)
  yield* failpoint("rebase.committed")
  yield* RelayCheckpoint.confirm(leader, final)
  yield* Record.finish(connection, record, {
    ...comparison,
    published: choices.find((choice) => choice.startAt === startAt)?.publishes,
    batch: final.batch,
    clusterId
  })
  return { choices, comparison }
})

/**
 * Makes both halves of the checkpoint agree, and the topics hold what the log says, once. From the marker on every relay
 * refuses until the end is reached, so it may be broken off anywhere and run again.
 */
export const apply = Effect.fnUntraced(function* (options: RebaseOptions, act: Record.Act) {
  const database = yield* Database
  const reached = yield* reach(options)
  const { admin, names, unendedMs } = reached
  const leader = yield* acquire(database, {
    name: names.transactionalId,
    pollMs: 200,
    onStandby: Effect.void
  }).pipe(
    Effect.timeoutOrElse({
      duration: options.lockMs ?? LOCK_MS,
      orElse: () =>
        new RebaseRefused({
          message:
            "a relay is at work and holds the lock: if it must be rebased all the same, stop it first (`serve --without relay`)"
        })
    })
  )
  const work = Effect.gen(function* () {
    yield* prepareSession(leader.connection)
    const { clusterId, partitions } = yield* ensure(admin, names)
    const diagnosis = yield* diagnose(
      leader.connection,
      admin,
      names,
      { clusterId, kafka: yield* peek(admin, names), isMade: true },
      unendedMs
    )
    if (diagnosis.refusal === null && options.startAt === null)
      return { diagnosis, comparison: null } satisfies NothingToMend
    const startAt = options.startAt ?? "kafka"
    if (diagnosis.dumped && startAt === "postgres")
      return yield* new RebaseRefused({
        message:
          "the log is a dump of another server: what its checkpoint covers cannot be told here; use --from kafka or a position"
      })
    const record = yield* Record.begin(leader.connection, act, startAt, diagnosis.refusal?.reason ?? null)
    // A topic that could not be read, say: all of it once more.
    const { choices, comparison } = yield* Effect.scoped(
      rebase(leader, reached, { ...options, startAt }, { clusterId, partitions, record })
    ).pipe(
      Effect.retry({
        while: (error) => error._tag === "KafkaFailed" && !error.refused,
        schedule: Schedule.spaced(1_000),
        times: 5
      })
    )
    return { diagnosis, comparison, startAt, choices }
  })
  return yield* Effect.raceFirst(leader.lost, work)
})
