import { randomUUID } from "node:crypto"
import { Clock, Effect, Schema } from "effect"
import type { TopicMessages } from "kafkajs"
import { failpoint } from "../../domain/Failpoint.ts"
import type { Leadership } from "../postgres/LeaderLock.ts"
import { type LogRow, next, type Page, type Place, startAt } from "../postgres/LogReader.ts"
import type { LogSignal } from "../postgres/LogSignal.ts"
import { confirm, open, type Published } from "../postgres/RelayCheckpoint.ts"
import { type Batch, gather } from "./Batch.ts"
import { KafkaFailed } from "./KafkaFailed.ts"
import * as KnownEndpoints from "./KnownEndpoints.ts"
import type { PartitionCounts } from "./Messages.ts"
import { toRecord } from "./Records.ts"
import { countPublished, gaugeLag } from "./RelayMetrics.ts"
import type { StatusCell } from "./RelayStatus.ts"
import type { Acknowledged, Settled } from "./settle.ts"
import { reachedOf } from "./TopicEnds.ts"
import type { TopicNames } from "./Topics.ts"

/** A fact belongs to an endpoint that no table knows: its record cannot be written. */
export class EndpointUnknown extends Schema.TaggedError<EndpointUnknown>()("EndpointUnknown", {
  endpoint: Schema.String
}) {}

/** The log holds events of a later version of the gate: a newer relay must publish them. */
export class LogVersionUnknown extends Schema.TaggedError<LogVersionUnknown>()("LogVersionUnknown", {
  type: Schema.String,
  version: Schema.Int,
  position: Schema.Int
}) {}

export interface Pace {
  /** Rows of a page at most. */
  readonly pageRows: number
  /** From one small transaction to the next: each costs the broker and us about as much as a hundred records. */
  readonly transactionMs: number
  /** Polling after work, doubled up to `idleMs` while nothing comes. */
  readonly busyMs: number
  readonly idleMs: number
  /** The offset in Kafka is written anew so often while nothing happens; brokers forget it after a week. */
  readonly recommitMs: number
  /** Rows that no topic wants are passed by without a checkpoint, but no more than this many. */
  readonly advanceRows: number
}

export interface CopyOptions {
  readonly names: TopicNames
  readonly clusterId: string
  readonly partitions: PartitionCounts
  readonly pace: Pace
  readonly signal: LogSignal["Service"]
  readonly status: StatusCell
  readonly onAcknowledged: (batch: Acknowledged) => void
  /** How many connections to brokers have ended so far. */
  readonly connectionsClosed: () => number
  /** False where Kafka forgot to end a transaction; only asked between our own. */
  readonly isEnded: Effect.Effect<boolean, KafkaFailed>
  /** Called once everything works. */
  readonly onHealthy: Effect.Effect<void>
}

interface Prepared {
  readonly page: Page
  readonly batch: Batch | undefined
}

/** Fails where a row is of a later version, or a fact of an endpoint that is not known: whoever publishes must stop. */
export const check = (rows: ReadonlyArray<LogRow>, isKnown: (name: string) => boolean) => {
  for (const { type, type_version, provider, position } of rows) {
    if (type_version !== 1)
      return Effect.fail(new LogVersionUnknown({ type, version: type_version, position }))
    if (type === "BillingEventRecorded" && !isKnown(provider))
      return Effect.fail(new EndpointUnknown({ endpoint: provider }))
  }
  return Effect.void
}

/** Copies the log to Kafka until something fails; whoever calls this starts again from the checkpoint. */
export const copy = Effect.fnUntraced(function* (leader: Leadership, settled: Settled, options: CopyOptions) {
  const { pace, status } = options
  const endpoints = KnownEndpoints.make()
  let last = settled.last
  let unconfirmed: Published | undefined
  let reading = startAt(settled.place)
  let saved = { head: undefined as number | undefined, atMs: yield* Clock.currentTimeMillis }
  let recommit = settled.recommit

  const confirmLast = Effect.suspend(() => {
    const id = unconfirmed
    unconfirmed = undefined
    return id === undefined
      ? Effect.void
      : Effect.tap(confirm(leader, id), () => failpoint("relay.confirmed"))
  })
  // Left open, a batch would be looked into at the next start; past a week of standstill, by a person.
  yield* Effect.addFinalizer(() => Effect.ignore(confirmLast))

  /**
   * The protocol: row, then records and offset in one transaction; the confirmation comes with the next row.
   * `meanwhile` runs beside the transaction: while Kafka works, the next page is read and encoded.
   */
  const write = <A, E>(
    place: Place,
    messages: ReadonlyArray<TopicMessages>,
    meanwhile: Effect.Effect<A, E>
  ) =>
    Effect.uninterruptible(
      Effect.gen(function* () {
        const id = { batch: last.batch + 1, nonce: randomUUID() }
        const before = unconfirmed
        unconfirmed = undefined
        yield* open(leader, { ...id, place, clusterId: options.clusterId }, before)
        yield* failpoint("relay.batch.written")
        const committed = Effect.tap(settled.producer.publish(messages, id), () =>
          failpoint("relay.committed")
        )
        const published = Effect.tap(committed, () =>
          Effect.sync(() => {
            last = id
            options.onAcknowledged({ ...id, ends: new Map(settled.ends) })
            unconfirmed = { ...id, reached: reachedOf(settled.ends, options.names) }
            recommit = false
            const { transactions, position } = status.get()
            status.set({
              batch: id.batch,
              position: Math.max(place.position, position ?? -1),
              transactions: transactions + 1
            })
          })
        )
        const [result] = yield* Effect.all([meanwhile, published], { concurrency: 2 })
        return result
      })
    )

  /** A page as records, encoded; nothing where it has no rows. */
  const prepare = Effect.fnUntraced(function* (page: Page) {
    if (page.rows.length === 0) return { page, batch: undefined }
    yield* endpoints.learn(leader.connection, page.rows)
    yield* check(page.rows, (name) => endpoints.of(name) !== undefined)
    const batch = yield* gather(page, options.names, options.partitions, (row) =>
      toRecord(row, endpoints.of(row.provider))
    )
    return { page, batch }
  })

  const publish = Effect.fnUntraced(function* (batch: Batch) {
    const following =
      batch.rest !== undefined
        ? Effect.succeed(batch.rest)
        : batch.page.more
          ? next(leader.connection, batch.page.next, pace.pageRows)
          : undefined
    const ahead = yield* write(
      batch.page.done,
      batch.messages,
      following === undefined ? Effect.undefined : Effect.flatMap(following, prepare)
    )
    const now = yield* Clock.currentTimeMillis
    const oldestAt = batch.page.rows[0]!.at
    // Only a look that finds nothing says that nothing waits.
    const backlog = Math.max(1, batch.page.next.head - batch.page.done.position)
    const { records } = status.get()
    status.set({
      backlog,
      oldestAt,
      records: { events: records.events + batch.events, outcomes: records.outcomes + batch.outcomes }
    })
    yield* countPublished("events", batch.events)
    yield* countPublished("outcomes", batch.outcomes)
    yield* gaugeLag(backlog, Math.max(0, now - oldestAt.getTime()) / 1000)
    reading = batch.page.next
    return ahead
  })

  let pause = pace.busyMs
  let ahead: Prepared | undefined
  let closed = options.connectionsClosed()
  while (true) {
    // kafkajs goes on over a new connection, and the next transaction would end blindly what a broker forgot to end.
    if (options.connectionsClosed() !== closed) {
      closed = options.connectionsClosed()
      if (!(yield* options.isEnded))
        return yield* new KafkaFailed({ operation: "publish", code: "TRANSACTION_HANGS", refused: false })
    }
    const startedMs = yield* Clock.currentTimeMillis
    const { batch, page }: Prepared =
      ahead ?? (yield* Effect.flatMap(next(leader.connection, reading, pace.pageRows), prepare))
    ahead = undefined
    if (batch !== undefined) {
      yield* failpoint("relay.read")
      ahead = yield* publish(batch)
      saved = { head: page.next.head, atMs: startedMs }
      pause = pace.busyMs
      yield* options.onHealthy
      if (ahead === undefined) {
        const spentMs = (yield* Clock.currentTimeMillis) - startedMs
        if (spentMs < pace.transactionMs) yield* Effect.sleep(pace.transactionMs - spentMs)
      }
      continue
    }
    reading = page.next
    saved = { ...saved, head: saved.head ?? page.next.head }
    if (
      recommit ||
      page.next.head - (saved.head ?? 0) >= pace.advanceRows ||
      startedMs - saved.atMs >= pace.recommitMs
    ) {
      yield* write(page.done, [], Effect.void)
      saved = { head: page.next.head, atMs: startedMs }
    }
    yield* confirmLast
    if (page.more) continue
    status.set({ backlog: 0, oldestAt: null })
    yield* gaugeLag(0, 0)
    yield* options.onHealthy
    const woken = yield* Effect.raceFirst(
      Effect.as(options.signal.wait, true),
      Effect.as(Effect.sleep(pause), false)
    )
    pause = woken ? pace.busyMs : Math.min(pause * 2, pace.idleMs)
  }
})
