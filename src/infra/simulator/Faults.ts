import type { IncomingMessage } from "node:http"
import { Schema } from "effect"

/** How an API misbehaves, until it is told otherwise. */
export const Fault = Schema.Struct({
  api: Schema.Literals(["paypal", "toss", "all"]),
  /** Milliseconds before every answer. */
  delay_ms: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600_000 }))),
  /** Requests a second that the API takes. Past it `status` is answered; without a status they wait their turn. */
  rate: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  /** Answered instead of the truth, where there is a `rate` only past it; 0 hangs up without an answer. */
  status: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 599 }))),
  /** Part of the requests that `status` hits; 1 where it is left out. */
  share: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
})
export type Fault = typeof Fault.Type

export interface Faults {
  readonly set: (faults: ReadonlyArray<Fault>) => void
  readonly current: () => ReadonlyArray<Fault>
  readonly of: (api: "paypal" | "toss") => { readonly delayMs: number; readonly status: number | undefined }
}

/** With a status an API takes as much at once as in a second. */
const BURST_MS = 1_000

export const make = (): Faults => {
  let faults: ReadonlyArray<Fault> = []
  /** Until when the requests taken so far keep an API busy at its rate. */
  let busyUntil = new Map<Fault, number>()

  /** How long one more request waits for its turn, or undefined where it is refused. */
  const turn = (fault: Fault) => {
    if (fault.rate === undefined) return fault.status === undefined ? 0 : undefined
    const now = performance.now()
    const done = Math.max(now, busyUntil.get(fault) ?? 0) + 1_000 / fault.rate
    if (fault.status !== undefined && done > now + BURST_MS) return undefined
    busyUntil.set(fault, done)
    return fault.status === undefined ? done - now : 0
  }

  return {
    set: (next) => {
      faults = next
      busyUntil = new Map()
    },
    current: () => faults,
    of: (api) => {
      const mine = faults.filter((fault) => fault.api === api || fault.api === "all")
      let delayMs = 0
      let status: number | undefined
      for (const fault of mine) {
        const waitMs = turn(fault)
        delayMs += (fault.delay_ms ?? 0) + (waitMs ?? 0)
        if (waitMs === undefined && Math.random() < (fault.share ?? 1)) status ??= fault.status
      }
      return { delayMs, status }
    }
  }
}

/** Which API a path belongs to. PayPal has the rest of `/v1`. */
export const apiOf = (request: IncomingMessage) =>
  /^\/v1\/(payments\/|transactions(\?|$))/.test(request.url ?? "") ? ("toss" as const) : ("paypal" as const)
