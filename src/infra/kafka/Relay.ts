import { Cause, Clock, Context, Effect, Layer } from "effect"
import { alarm } from "../../domain/Alarm.ts"
import { Database } from "../postgres/Database.ts"
import type { DatabaseError } from "../postgres/DatabaseError.ts"
import { acquire, type LeadershipLost, type PoolerRefused } from "../postgres/LeaderLock.ts"
import { prepareSession } from "../postgres/LogReader.ts"
import { LogSignal } from "../postgres/LogSignal.ts"
import { copy, type EndpointUnknown, type LogVersionUnknown, type Pace } from "./copy.ts"
import * as KafkaClient from "./KafkaClient.ts"
import { hintOf, type KafkaFailed } from "./KafkaFailed.ts"
import { connectAdmin } from "./Producer.ts"
import { makeCell, type RelayState, type RelayStatus } from "./RelayStatus.ts"
import { type Acknowledged, settle } from "./settle.ts"
import { readUnended, UNENDED_MS } from "./TopicEnds.ts"
import { ensure, type Finding, namesOf } from "./Topics.ts"
import type { CheckpointRefused } from "./Verdict.ts"

export interface RelayOptions extends KafkaClient.KafkaOptions {
  /** Put before the names of topics, group and transactional id. */
  readonly topicPrefix: string
  readonly pace?: Partial<RelayPace>
}

export interface RelayPace extends Pace {
  /** How often a standby asks for the lock, and the active one looks after it. */
  readonly leaderMs: number
  readonly patienceMs: number
  readonly unendedMs: number
  /** Back-off while something is away: doubled from the first to the last. */
  readonly backoffMs: readonly [first: number, last: number]
  /** A trouble that lasts longer is an alarm. */
  readonly alarmMs: number
  /** Refused or stopped, things are looked at again so often: a person may have mended them. */
  readonly recheckMs: number
}

/** A transaction that has not ended by then is looked into by a new term. */
const SUSPICION_MS = 1000

const PACE: RelayPace = {
  pageRows: 6000,
  transactionMs: 40,
  busyMs: 5,
  idleMs: 250,
  recommitMs: 86_400_000,
  advanceRows: 10_000,
  leaderMs: 1000,
  patienceMs: 5000,
  unendedMs: UNENDED_MS,
  backoffMs: [50, 5000],
  alarmMs: 5000,
  recheckMs: 30_000
}

/** The process that copies the log to Kafka, exactly once; one is active, the others stand by. */
export class Relay extends Context.Service<Relay, { readonly status: Effect.Effect<RelayStatus> }>()(
  "oncegate/infra/Relay"
) {}

type TermError =
  | KafkaFailed
  | DatabaseError
  | LeadershipLost
  | PoolerRefused
  | CheckpointRefused
  | EndpointUnknown
  | LogVersionUnknown

interface Trouble {
  readonly state: RelayState
  readonly code: string
  readonly explanation: string
}

const troubleOf = (error: TermError): Trouble => {
  switch (error._tag) {
    case "KafkaFailed":
      return error.refused
        ? {
            state: "stopped",
            code: "relay_stopped",
            explanation: `Kafka refuses ${error.operation}: ${error.code}${hintOf(error.code)}`
          }
        : {
            state: "waiting",
            code: "relay_kafka_unavailable",
            explanation: `${error.operation}: ${error.code}${hintOf(error.code)}`
          }
    case "DatabaseError":
      return { state: "waiting", code: "relay_database_unavailable", explanation: error.message }
    case "LeadershipLost":
      return {
        state: "waiting",
        code: "relay_leadership_lost",
        explanation: "the session with the lock is gone"
      }
    case "PoolerRefused":
      return {
        state: "refused",
        code: "relay_pooler_refused",
        explanation:
          "DATABASE_URL leads through a transaction-pooling PgBouncer, where a session's lock holds nothing: give the relay a direct connection."
      }
    case "CheckpointRefused":
      return {
        state: "refused",
        code: "relay_checkpoint_refused",
        explanation: `${error.reason}: ${error.explanation}`
      }
    case "EndpointUnknown":
      return {
        state: "waiting",
        code: "relay_endpoint_unknown",
        explanation: `endpoint ${error.endpoint} has facts in the log and no row in webhook_endpoints`
      }
    case "LogVersionUnknown":
      return {
        state: "stopped",
        code: "relay_log_version_unknown",
        explanation: `position ${error.position} holds ${error.type} version ${error.version}: run a newer relay`
      }
  }
}

const warnOf = (finding: Finding) =>
  Effect.logWarning(
    `topic ${finding.topic}: ${finding.setting} is ${finding.found}, weaker than ${finding.wanted}`
  ).pipe(Effect.annotateLogs({ event: "RELAY_TOPIC_WEAK", ...finding }))

/** The relay for ever. It fails for no reason: whatever happens is logged, shown in the status, and tried again. */
const make = Effect.fnUntraced(function* (options: RelayOptions) {
  const database = yield* Database
  const signal = yield* LogSignal
  const pace: RelayPace = { ...PACE, ...options.pace }
  const names = namesOf(options.topicPrefix)
  let connectionsClosed = 0
  const kafka = yield* KafkaClient.make({
    ...options,
    onConnectionClosed: () => {
      connectionsClosed += 1
    }
  })
  const status = makeCell()
  /** What went wrong since all was well: each cause is logged once, each code is one alarm. */
  let trouble:
    | { readonly sinceMs: number; readonly causes: Set<string>; readonly alarms: Set<string> }
    | undefined
  let backoffMs = pace.backoffMs[0]
  let acknowledged: Acknowledged | undefined

  const onHealthy = Effect.suspend(() => {
    backoffMs = pace.backoffMs[0]
    if (trouble === undefined) return Effect.void
    trouble = undefined
    return Effect.logInfo("relay is active again").pipe(Effect.annotateLogs({ event: "RELAY_ACTIVE" }))
  })

  /** From taking the lock to the first failure: nothing of one term is used in the next. */
  const term = Effect.scoped(
    Effect.gen(function* () {
      const leader = yield* acquire(database, {
        name: names.transactionalId,
        pollMs: pace.leaderMs,
        onStandby: Effect.sync(() =>
          status.set({ state: "standby", reason: null, backlog: null, oldestAt: null })
        )
      })
      const lead = Effect.gen(function* () {
        yield* prepareSession(leader.connection)
        const admin = yield* connectAdmin(kafka)
        const { clusterId, findings, partitions } = yield* ensure(admin, names)
        if (JSON.stringify(findings) !== JSON.stringify(status.get().findings))
          yield* Effect.forEach(findings, warnOf, { discard: true })
        status.set({ clusterId, findings })
        const { patienceMs, unendedMs } = pace
        const settled = yield* settle(leader, {
          kafka,
          admin,
          names,
          clusterId,
          patienceMs,
          unendedMs,
          acknowledged
        })
        status.set({ state: "active", reason: null })
        return yield* copy(leader, settled, {
          names,
          clusterId,
          partitions,
          pace,
          signal,
          status,
          onHealthy,
          connectionsClosed: () => connectionsClosed,
          isEnded: Effect.map(readUnended(admin, names, SUSPICION_MS), ({ size }) => size === 0),
          onAcknowledged: (batch) => {
            acknowledged = batch
          }
        })
      })
      return yield* Effect.raceFirst(leader.lost, lead)
    })
  )

  const onTrouble = Effect.fnUntraced(function* (now: Trouble) {
    const atMs = yield* Clock.currentTimeMillis
    trouble ??= { sinceMs: atMs, causes: new Set(), alarms: new Set() }
    const reason = { code: now.code, explanation: now.explanation }
    status.set({ state: now.state, reason, backlog: null, oldestAt: null })
    if (!trouble.causes.has(now.explanation)) {
      trouble.causes.add(now.explanation)
      const annotations = { event: "RELAY_TROUBLE", code: now.code }
      yield* Effect.logWarning(now.explanation).pipe(Effect.annotateLogs(annotations))
    }
    const lasting = now.state !== "waiting" || atMs - trouble.sinceMs >= pace.alarmMs
    if (lasting && !trouble.alarms.has(now.code)) {
      trouble.alarms.add(now.code)
      yield* alarm(now.code, now.explanation)
    }
    if (now.state !== "waiting") return yield* Effect.sleep(pace.recheckMs)
    yield* Effect.sleep(backoffMs * (0.75 + Math.random() / 2))
    backoffMs = Math.min(backoffMs * 2, pace.backoffMs[1])
  })

  const run: Effect.Effect<never> = term.pipe(
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      const failure = cause.reasons.find((reason) => reason._tag === "Fail")
      return onTrouble(
        failure === undefined
          ? { state: "waiting", code: "relay_defect", explanation: "a fault of the relay itself" }
          : troubleOf(failure.error)
      ).pipe(Effect.tap(() => (failure === undefined ? Effect.logError("relay fault", cause) : Effect.void)))
    }),
    Effect.forever
  )
  return { run, status: Effect.sync(status.get) }
})

/** Runs the relay in the background for as long as the layer lives. */
export const layer = (options: RelayOptions) =>
  Layer.effect(
    Relay,
    Effect.gen(function* () {
      const { run, status } = yield* make(options)
      yield* Effect.forkScoped(run)
      return Relay.of({ status })
    })
  )
