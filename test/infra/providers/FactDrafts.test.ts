import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { propose } from "../../../src/infra/providers/FactDrafts.ts"
import { fact } from "../../support/Store.ts"

it.effect("a fact told twice alike in one event is one fact", () =>
  Effect.gen(function* () {
    const facts = yield* propose([
      { fact: fact("cancel:pk:t1", "5.0") },
      { fact: fact("cancel:pk:t1", "5.00") }
    ])
    assert.strictEqual(facts.length, 1)
  })
)

it.effect("told with two amounts, currencies or parents it is nothing that can be booked", () =>
  Effect.gen(function* () {
    const one = fact("cancel:pk:t1", "5")
    for (const other of [
      fact("cancel:pk:t1", "6"),
      { ...one, amount: { value: "5", currency: "USD" } },
      { ...one, parent_reference: "pk" }
    ]) {
      const failed = yield* Effect.flip(propose([{ fact: one }, { fact: other }]))
      assert.deepInclude(failed, { kind: "permanent", code: "uninterpretable" })
    }
  })
)
