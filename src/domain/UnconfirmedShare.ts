import { Context, Effect, Layer, Schedule } from "effect"
import { alarm } from "./Alarm.ts"
import { Events } from "./Events.ts"

/** Share of the last minutes' claims that the provider's API does not know, from which on it is an alarm. */
const SHARE = 0.2
/** Fewer claims than this say nothing. */
const LEAST = 20
/** While the share stays high, the alarm is repeated so often. */
const REPEAT_MS = 3_600_000

export interface RecentClaims {
  readonly endpoint: string
  readonly claims: number
  readonly unconfirmed: number
}

/** True where so many of the claims are unknown to the provider that its key is wrong, or somebody forges. */
export const isSuspicious = ({ claims, unconfirmed }: RecentClaims) =>
  claims >= LEAST && unconfirmed > claims * SHARE

/** Watches the share of unconfirmed claims at each endpoint: a wrong key looks just like a flood of forgeries. */
export class UnconfirmedShare extends Context.Service<UnconfirmedShare, { readonly everyMs: number }>()(
  "oncegate/domain/UnconfirmedShare"
) {}

export const layer = (options: { readonly everyMs: number }) =>
  Layer.effect(
    UnconfirmedShare,
    Effect.gen(function* () {
      const events = yield* Events
      /** Looks since the last alarm, of the endpoints whose share is high. */
      const high = new Map<string, number>()
      const look = Effect.gen(function* () {
        for (const recent of yield* events.recentClaims) {
          const { claims, endpoint, unconfirmed } = recent
          if (!isSuspicious(recent)) {
            high.delete(endpoint)
            continue
          }
          const looks = high.get(endpoint)
          const due = looks === undefined || looks * options.everyMs >= REPEAT_MS
          high.set(endpoint, due ? 1 : looks + 1)
          if (due)
            yield* alarm(
              "unconfirmed_share",
              "more than a fifth of the last minutes' claims are unknown to the provider: forgeries, or a wrong key",
              { provider: endpoint, claims, unconfirmed }
            )
        }
      })
      yield* look.pipe(
        // The database is away: others say so.
        Effect.catchTag("StoreUnavailable", () => Effect.void),
        Effect.repeat(Schedule.spaced(options.everyMs)),
        Effect.forkScoped
      )
      return options
    })
  )
