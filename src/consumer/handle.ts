import { Effect, Result, type Semaphore } from "effect"
import type { KafkaMessage } from "kafkajs"
import type postgres from "postgres"
import type { Availability } from "./Availability.ts"
import { attempt } from "./attempt.ts"
import type { ConsumedEvent, Origin } from "./ConsumedEvent.ts"
import type { Handler, Settled } from "./ConsumerOptions.ts"
import type { Counts } from "./ConsumerStatus.ts"
import type { DeadLetters } from "./DeadLetters.ts"
import { type Decoded, decode, identify, isKnown } from "./decode.ts"
import { classOf, type DecodeFailed, KeyBlocked, UnknownType, Unprocessable } from "./errors.ts"
import type { Entry } from "./Inbox.ts"
import { letterOf } from "./letterOf.ts"

/** A record that was fetched. */
export interface Delivery {
  readonly origin: Origin
  readonly message: KafkaMessage
  /** False once the group was joined anew: the record will be fetched again, by whoever has its partition then. */
  readonly isCurrent: () => boolean
}

export interface HandleNeeds<R> {
  readonly settled: Settled<R>
  readonly counts: Counts
  readonly availability: Availability
  readonly deadLetters: DeadLetters
  /** One permit for each handler that may work. */
  readonly permits: Semaphore.Semaphore
  /** How many do. */
  readonly inFlight: { count: number }
}

type Plan<R> =
  | { readonly _tag: "Skip" }
  | { readonly _tag: "Refuse"; readonly error: DecodeFailed | UnknownType }
  | { readonly _tag: "Run"; readonly event: Decoded; readonly handler: Handler<ConsumedEvent, R> }

const planOf = <R>({ handlers, unknownTypes }: Settled<R>, { message, origin }: Delivery): Plan<R> => {
  const decoded = decode(origin, message)
  if (Result.isFailure(decoded)) return { _tag: "Refuse", error: decoded.failure }
  const event = decoded.success
  // The schema of the type was checked: what the handler of this type expects.
  const handler = isKnown(event.type) ? (handlers[event.type] as Handler<ConsumedEvent, R>) : unknownTypes
  if (handler === undefined || handler === "skip") return { _tag: "Skip" }
  if (handler === "dead-letter") return { _tag: "Refuse", error: new UnknownType() }
  return { _tag: "Run", event, handler }
}

const SLICE_MS = 100

/** A pause that a record's key need not sit out when the record is ours no more. */
const pauseFor = Effect.fnUntraced(function* (ms: number, isWanted: () => boolean) {
  for (let left = ms; left > 0 && isWanted(); left -= SLICE_MS) yield* Effect.sleep(Math.min(left, SLICE_MS))
})

/** Failures that no further attempt can change. */
const isFinal = (error: unknown) => error instanceof Unprocessable || classOf(error).name === "Unprocessable"

/**
 * Everything that happens to one record, to its end: true where it is durably done with. Its key waits meanwhile, but
 * a permit is only held while something works.
 */
export const makeHandle = <R>(needs: HandleNeeds<R>) => {
  const { settled, counts, availability, permits, deadLetters, inFlight } = needs
  const { sql, blockKeys, handlerTimeoutMs, retry } = settled
  const pause = (failures: number, { isCurrent }: Delivery) =>
    pauseFor(
      Math.min(retry.baseMs * 2 ** (failures - 1), retry.maxMs) * (0.75 + Math.random() / 2),
      isCurrent
    )

  /** Runs a step when the database serves and there is a permit; undefined where the record is ours no more. */
  const step = <A>(delivery: Delivery, work: Effect.Effect<A, never, R>) =>
    Effect.andThen(
      availability.wait,
      permits.withPermits(1)(
        Effect.suspend((): Effect.Effect<A | "wait" | undefined, never, R> => {
          if (!delivery.isCurrent()) return Effect.undefined
          if (availability.isAway()) return Effect.succeed("wait" as const)
          inFlight.count += 1
          return Effect.ensuring(
            work,
            Effect.sync(() => {
              inFlight.count -= 1
            })
          )
        })
      )
    )

  const deadLetter = Effect.fnUntraced(function* (
    delivery: Delivery,
    entry: Entry,
    attempts: number,
    error: unknown
  ) {
    for (let failures = 1; ; ) {
      const came = yield* step(
        delivery,
        letterOf(sql, entry, classOf(error).name, deadLetters.publish({ ...delivery, attempts }, error))
      )
      if (came === undefined) return false
      if (came === "wait") continue
      switch (came._tag) {
        case "Published":
          counts.deadLettered += 1
          availability.proven()
          yield* Effect.logWarning("a record was dead-lettered").pipe(
            Effect.annotateLogs({
              event: "CONSUMER_DEAD_LETTERED",
              event_id: entry.id,
              event_type: entry.type,
              error: classOf(error).name,
              code: classOf(error).code,
              attempts,
              ...delivery.origin
            })
          )
          return true
        case "Known":
          counts.duplicates += 1
          return true
        case "DatabaseAway":
          yield* availability.report(came.code)
          break
        case "KafkaAway":
          yield* pause(failures++, delivery)
      }
    }
  })

  return Effect.fnUntraced(function* (delivery: Delivery) {
    const { origin, message } = delivery
    const plan = planOf(settled, delivery)
    if (plan._tag === "Skip") {
      counts.skipped += 1
      return true
    }
    const entry: Entry = { ...identify(origin, message), consumer: settled.inbox, origin }
    if (plan._tag === "Refuse") return yield* deadLetter(delivery, entry, 1, plan.error)
    const { event, handler } = plan
    let failures = 0
    while (true) {
      const current = { ...event, attempt: failures + 1 }
      const outcome = yield* step(
        delivery,
        attempt({ sql, blockKeys, handlerTimeoutMs }, entry, (tx: postgres.TransactionSql) =>
          handler(current, tx)
        )
      )
      if (outcome === undefined) return false
      if (outcome === "wait") continue
      switch (outcome._tag) {
        case "Handled":
          counts.handled += 1
          availability.proven()
          return true
        case "Duplicate":
          counts.duplicates += 1
          return true
        case "Blocked":
          return yield* deadLetter(delivery, entry, failures + 1, new KeyBlocked())
        case "DatabaseAway":
          yield* availability.report(outcome.code)
          break
        case "Repeat":
          counts.retried += 1
          yield* pause(1, delivery)
          break
        case "Failed": {
          failures += 1
          yield* Effect.try({
            try: () => settled.onFailure?.(outcome.error, current),
            catch: () => "onFailure"
          }).pipe(Effect.catch((name) => Effect.logError(`${name} itself failed: the record goes its way`)))
          if (isFinal(outcome.error) || failures >= retry.maxAttempts)
            return yield* deadLetter(delivery, entry, failures, outcome.error)
          counts.retried += 1
          yield* pause(failures, delivery)
        }
      }
    }
  })
}
