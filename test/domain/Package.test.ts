import { assert, it } from "@effect/vitest"
import { Result } from "effect"
import { Gate } from "oncegate/domain"

it("oncegate/domain gives the machine to outsiders", () => {
  const claim = {
    _tag: "Claim",
    by: "delivery",
    limits: { maxAttempts: 3, redeliveryIntervalMs: 1_000 },
    leaseUntil: null,
    requestHash: null,
    eventType: null
  } as const
  const decision = Gate.decide(Gate.unseen, claim, 0)
  assert.isTrue(Result.isSuccess(decision))
  assert.strictEqual(Result.getOrThrow(decision).reduce(Gate.evolve, Gate.unseen)._tag, "Processing")
})
