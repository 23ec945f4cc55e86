import { Context, Duration, Effect, Layer, Random, Schedule } from "effect"
import { alarm } from "./Alarm.ts"
import type { StoreUnavailable } from "./GateStore.ts"
import { RetentionStore, type Swept } from "./RetentionStore.ts"
import { RESTS } from "./unhurried.ts"

export interface RetentionOptions {
  /** Of a body after its event is done, milliseconds. */
  readonly payloadRetentionMs: number
  /** Of keys, transmissions and the log, milliseconds. */
  readonly keyRetentionMs: number
  /** Between two rounds. */
  readonly everyMs: number
  /** Between two batches, or three times as long as the last one took: retention is never in a hurry, and the gate is. */
  readonly pauseMs: number
}

/** A mapping that is added later can still book what made no fact: those bodies stay for thirty days at least. */
const FACTLESS_MS = 30 * 86_400_000

/** What an unsigned event's provider did not know for so long is nobody's payment. */
const UNCONFIRMED_MS = 30 * 86_400_000

/** What a round took away. */
export interface RetentionRound {
  readonly unconfirmed: number
  readonly bodies: number
  readonly keys: number
  readonly transmissions: number
  readonly partitions: number
}

/** Batches until nothing is left that is due. */
const drain = (batch: Effect.Effect<Swept, StoreUnavailable>, pauseMs: number) =>
  Effect.gen(function* () {
    let deleted = 0
    while (true) {
      const [took, swept] = yield* Effect.timed(batch)
      deleted += swept.deleted
      if (!swept.more) return deleted
      yield* Effect.sleep(Math.max(pauseMs, RESTS * Duration.toMillis(took)))
    }
  })

/** One round of everything; bodies first, the log last. */
export const round = Effect.fnUntraced(function* (options: RetentionOptions) {
  const store = yield* RetentionStore
  const { keyRetentionMs, payloadRetentionMs, pauseMs } = options
  yield* store.extend
  const unconfirmed = yield* drain(store.unconfirmed(UNCONFIRMED_MS), pauseMs)
  const booked = yield* drain(store.bodies(payloadRetentionMs, false), pauseMs)
  const factless = yield* drain(store.bodies(Math.max(payloadRetentionMs, FACTLESS_MS), true), pauseMs)
  const keys = yield* drain(store.keys(keyRetentionMs), pauseMs)
  const transmissions = yield* drain(store.transmissions(keyRetentionMs), pauseMs)
  const partitions = yield* drain(store.log(keyRetentionMs), pauseMs)
  return { unconfirmed, bodies: booked + factless, keys, transmissions, partitions } satisfies RetentionRound
})

/**
 * Takes away what nobody may keep, in every instance and without a leader: whoever finds a sweep under way passes by.
 * Open events, and what is not published yet, are never touched; booked effects stay for ever.
 */
export class Retention extends Context.Service<Retention, { readonly everyMs: number }>()(
  "oncegate/domain/Retention"
) {}

const isWork = ({ bodies, keys, partitions, transmissions, unconfirmed }: RetentionRound) =>
  unconfirmed + bodies + keys + partitions + transmissions > 0

export const layer = (options: RetentionOptions) =>
  Layer.effect(
    Retention,
    Effect.gen(function* () {
      // Instances that were started together do not meet for ever.
      const pause = Effect.flatMap(Random.next, (spread) => Effect.sleep(options.everyMs * (0.5 + spread)))
      const tend = round(options).pipe(
        Effect.tap((done) =>
          isWork(done)
            ? Effect.annotateLogs(Effect.logInfo("retention took away what was due"), {
                event: "RETENTION",
                ...done
              })
            : Effect.void
        ),
        Effect.catchTag("StoreUnavailable", ({ code }) =>
          Effect.annotateLogs(Effect.logWarning("retention could not go on; it will try again"), {
            event: "RETENTION_INTERRUPTED",
            code
          })
        ),
        Effect.catchDefect(() => alarm("retention_fault", "retention failed unexpectedly"))
      )
      yield* Effect.forkScoped(Effect.repeat(Effect.andThen(pause, tend), Schedule.forever))
      return { everyMs: options.everyMs }
    })
  )
