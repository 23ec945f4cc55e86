// What a project that installed the package may write; `npm run package:check` runs it there, on Node and on Deno.
import { Result, Schema } from "effect"
import { BillingEvent, Gate, type GateEvent } from "oncegate/domain"
import schema from "oncegate/schemas/billing.payment.captured.v1.json" with { type: "json" }

const claim: Gate.GateCommand = {
  _tag: "Claim",
  by: "delivery",
  limits: { maxAttempts: 3, redeliveryIntervalMs: 1_000 },
  leaseUntil: null,
  requestHash: null,
  eventType: null
}
const events: ReadonlyArray<GateEvent.GateEvent> = Result.getOrThrow(Gate.decide(Gate.unseen, claim, 0))
if (events.reduce(Gate.evolve, Gate.unseen)._tag !== "Processing")
  throw new Error("a claim is not processing")

// @ts-expect-error: the types have arrived, so a number is no command
Gate.decide(Gate.unseen, 1, 0)

const [example] = schema.examples
const fact = Schema.decodeUnknownSync(BillingEvent.BillingEvent)(example)
if (fact.effect_key !== example?.effect_key) throw new Error("the example of the contract is no fact")
