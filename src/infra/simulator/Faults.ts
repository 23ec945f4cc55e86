import type { IncomingMessage } from "node:http"
import { Schema } from "effect"

/** How an API misbehaves, until it is told otherwise. */
export const Fault = Schema.Struct({
  api: Schema.Literals(["paypal", "toss", "all"]),
  /** Milliseconds before every answer. */
  delay_ms: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600_000 }))),
  /** Answered instead of the truth; 0 hangs up without an answer. */
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

export const make = (): Faults => {
  let faults: ReadonlyArray<Fault> = []
  return {
    set: (next) => {
      faults = next
    },
    current: () => faults,
    of: (api) => {
      const mine = faults.filter((fault) => fault.api === api || fault.api === "all")
      return {
        delayMs: mine.reduce((sum, fault) => sum + (fault.delay_ms ?? 0), 0),
        status: mine.find((fault) => fault.status !== undefined && Math.random() < (fault.share ?? 1))?.status
      }
    }
  }
}

/** Which API a path belongs to. PayPal has the rest of `/v1`. */
export const apiOf = (request: IncomingMessage) =>
  (request.url ?? "").startsWith("/v1/payments/") ? ("toss" as const) : ("paypal" as const)
