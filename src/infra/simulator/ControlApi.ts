import type { IncomingMessage } from "node:http"
import { Result, Schema } from "effect"
import { type Answer, json } from "./Answer.ts"
import type { Deposits } from "./Deposits.ts"
import { Fault, type Faults } from "./Faults.ts"

/** Where another process says what the simulated APIs answer from now on. No provider has such a path. */
export const CONTROL = "/_simulator"

const AnyObject = Schema.Record(Schema.String, Schema.Unknown)
const Several = Schema.Struct({
  payments: Schema.optionalKey(Schema.Array(AnyObject)),
  events: Schema.optionalKey(Schema.Array(AnyObject))
})
const NoFault = Schema.Struct({ api: Schema.optionalKey(Schema.Never) })
const faultsOf = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Union([Schema.Array(Fault), Fault, NoFault]))
)
const severalOf = Schema.decodeUnknownResult(Schema.fromJsonString(Several))
const objectOf = Schema.decodeUnknownResult(Schema.fromJsonString(AnyObject))

const invalid = (detail: string) => json(400, { error: detail })

export const make = (deposits: Deposits, faults: Faults) => {
  const setFaults = (text: string): Answer => {
    const decoded = faultsOf(text)
    if (Result.isFailure(decoded)) return invalid(decoded.failure.message)
    const given = decoded.success
    faults.set(Array.isArray(given) ? given : "api" in given ? [given as Fault] : [])
    return json(200, { faults: faults.current() })
  }

  const addOne = (kind: "payments" | "events", id: string, text: string): Answer => {
    const decoded = objectOf(text)
    if (Result.isFailure(decoded)) return invalid("the body is no JSON object")
    const entry = decoded.success
    const added =
      kind === "payments"
        ? entry.paymentKey === id && deposits.add([entry], []) === 1
        : entry.id === id && deposits.add([], [entry]) === 1
    return added
      ? json(200, { kept: 1 })
      : invalid("the ids in the body and in the path differ, or one is missing")
  }

  return (request: IncomingMessage, path: string, body: Buffer): Answer => {
    const text = body.toString("utf8")
    const route = `${request.method} ${path.slice(CONTROL.length)}`
    if (route === "GET /health") return json(200, { status: "ok", ...deposits.size() })
    if (route === "GET /faults") return json(200, { faults: faults.current() })
    if (route === "PUT /faults") return setFaults(text)
    if (route === "PUT /deposits") {
      const decoded = severalOf(text)
      if (Result.isFailure(decoded)) return invalid(decoded.failure.message)
      return json(200, { kept: deposits.add(decoded.success.payments ?? [], decoded.success.events ?? []) })
    }
    const one = /^PUT \/(payments|events)\/([^/]+)$/.exec(route)
    return one === null
      ? json(404, { error: "no such control" })
      : addOne(one[1] as "payments" | "events", decodeURIComponent(one[2]!), text)
  }
}
