import { randomUUID } from "node:crypto"
import { Clock, Effect, Schedule, Schema } from "effect"
import type { Admin } from "kafkajs"
import * as KafkaClient from "../kafka/KafkaClient.ts"
import { attempt } from "../kafka/KafkaFailed.ts"
import * as LogRecords from "../kafka/LogRecords.ts"
import { inTransactions, messagesOf } from "../kafka/Messages.ts"
import { connectAdmin, fence } from "../kafka/Producer.ts"
import { ensure, namesOf, type TopicNames } from "../kafka/Topics.ts"
import { Database } from "../postgres/Database.ts"
import * as RelayCheckpoint from "../postgres/RelayCheckpoint.ts"
import * as ReplayRange from "./ReplayRange.ts"
import { askedOf, decode, encode, MOST_BYTES, type ReplayState } from "./ReplayState.ts"

const CALL_MS = 10_000
/** Transactions a second at least, so that progress shows and a slow rate is an even one. */
const STEPS = 4
const MOST_ROWS = 500

/** A replay that must not be; the message says what to do. */
export class ReplayRefused extends Schema.TaggedError<ReplayRefused>()("ReplayRefused", {
  message: Schema.String
}) {}

export interface ReplayOptions {
  readonly kafka: Omit<KafkaClient.KafkaOptions, "clientId"> & { readonly topicPrefix: string }
  /** Of the topics that are written. */
  readonly prefix: string
  /** The topics of a relay may be written too. */
  readonly toLive: boolean
  readonly range: ReplayRange.ReplayRange
  /** Records a second at most. */
  readonly rate: number
  readonly dryRun: boolean
  /** A replay of the same range that came to its end is done once more. */
  readonly again: boolean
  readonly onProgress: (done: number, total: number) => void
}

export interface Replayed {
  readonly outcome: "dry_run" | "done" | "done_before"
  readonly topics: readonly [events: string, outcomes: string]
  /** Facts and outcomes of the range. */
  readonly facts: number
  readonly outcomes: number
  /** Published by this call, and by earlier ones of the same replay. */
  readonly published: number
  readonly before: number
  /** In the header `oncegate-replay`. */
  readonly run: string | null
}

/** The same topics under another prefix; state, group and transactional id of their own. */
const replayNames = (prefix: string): TopicNames => ({
  ...namesOf(prefix),
  checkpoint: `${prefix}oncegate.replay.v1`,
  group: `${prefix}oncegate-replay`,
  transactionalId: `${prefix}oncegate-replay`
})

const refuseLive = Effect.fnUntraced(function* (admin: Admin, { kafka, prefix, toLive }: ReplayOptions) {
  if (toLive) return
  const topics = yield* attempt("replay.topics", CALL_MS, () => admin.listTopics())
  if (prefix === kafka.topicPrefix || topics.includes(namesOf(prefix).checkpoint))
    return yield* new ReplayRefused({
      message: `a relay publishes to topics with the prefix ${JSON.stringify(prefix)}: give another --topic-prefix, or say --to-live-topics`
    })
})

/** From the state in Kafka to the end of the range, or to the first failure. */
const run = Effect.fnUntraced(function* (options: ReplayOptions) {
  const { range, rate } = options
  const names = replayNames(options.prefix)
  const topics = [names.events, names.outcomes] as const
  const kafka = yield* KafkaClient.make({ ...options.kafka, clientId: "oncegate-replay" })
  const admin = yield* connectAdmin(kafka)
  yield* refuseLive(admin, options)
  const connection = yield* (yield* Database).session("replay", 2 ** 31 - 1)
  yield* connection.script(
    "replay session",
    "SET statement_timeout = 0; SET plan_cache_mode = force_custom_plan"
  )
  const { confirmed } = yield* RelayCheckpoint.read({ connection })
  if (confirmed === undefined)
    return yield* new ReplayRefused({ message: "nothing was published from this database yet" })
  if (options.dryRun) {
    const counted = yield* ReplayRange.count(connection, range, confirmed.place, -1)
    return { outcome: "dry_run", topics, ...counted, published: 0, before: 0, run: null } satisfies Replayed
  }

  const { partitions } = yield* ensure(admin, names)
  const producer = yield* fence(kafka, admin, names)
  const asked = askedOf(range)
  const last = yield* producer.checkpoint
  const found = last === undefined ? undefined : decode(last.nonce)
  const goesOn = found !== undefined && found.asked === asked && !(found.done && options.again)
  let state: ReplayState = goesOn
    ? found
    : {
        asked,
        run: randomUUID(),
        ...confirmed.place,
        records: 0,
        done: false,
        position: confirmed.place.position
      }
  if (encode(state).length > MOST_BYTES)
    return yield* new ReplayRefused({
      message: "too many transactions are under way to note where the replay stands: try again"
    })
  const place = { from: state.from, to: state.to, position: state.position }
  let after = goesOn ? last!.batch : -1
  const counted = yield* ReplayRange.count(connection, range, place, -1)
  const total = counted.facts + counted.outcomes
  const before = state.records
  if (state.done)
    return {
      outcome: "done_before",
      topics,
      ...counted,
      published: 0,
      before,
      run: state.run
    } satisfies Replayed

  const toRecords = LogRecords.make(connection)
  const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor(rate / STEPS)))
  const startedMs = yield* Clock.currentTimeMillis
  options.onProgress(before, total)
  while (true) {
    const found = yield* ReplayRange.page(connection, range, place, after, rows)
    if (found.length === 0) break
    for (const part of inTransactions(yield* toRecords(found))) {
      after = part.at(-1)!.position
      state = { ...state, records: state.records + part.length }
      yield* producer.publish(
        messagesOf(
          part.map(({ record }) => record),
          names,
          partitions,
          { "oncegate-replay": state.run }
        ),
        { batch: after, nonce: encode(state) }
      )
      options.onProgress(state.records, total)
      const dueMs = ((state.records - before) * 1000) / rate
      const spentMs = (yield* Clock.currentTimeMillis) - startedMs
      if (dueMs > spentMs) yield* Effect.sleep(dueMs - spentMs)
    }
  }
  state = { ...state, done: true }
  yield* producer.publish([], { batch: Math.max(0, after), nonce: encode(state) })
  const published = state.records - before
  return { outcome: "done", topics, ...counted, published, before, run: state.run } satisfies Replayed
})

/**
 * Publishes a range of the log once more, under another prefix, for consumers that rebuild: the same records with the
 * same ids, and a header. Each transaction carries where it stands, so it goes on exactly there, whatever died.
 */
export const replay = (options: ReplayOptions) => {
  let before: number | undefined
  return Effect.suspend(() =>
    Effect.scoped(
      run({
        ...options,
        // Only the first go begins anew; the next ones go on.
        again: options.again && before === undefined,
        onProgress: (done, total) => {
          before ??= done
          options.onProgress(done, total)
        }
      })
    )
  ).pipe(
    Effect.retry({
      while: (error) => error._tag === "KafkaFailed" && !error.refused,
      schedule: Schedule.spaced(1_000),
      times: 30
    }),
    Effect.map((replayed) => {
      const first = before ?? replayed.before
      return { ...replayed, before: first, published: replayed.published + replayed.before - first }
    })
  )
}
