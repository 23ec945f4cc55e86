import { assert, it } from "@effect/vitest"
import { kinds, plan, TAIL_MS } from "./plan.ts"

it("the same seed strikes the same faults in the same order, another seed others", () => {
  assert.deepStrictEqual(plan("a", 600_000, 3), plan("a", 600_000, 3))
  assert.notDeepEqual(plan("a", 600_000, 3), plan("b", 600_000, 3))
})

it("two minutes are enough for every kind, and the tail is left in peace", () => {
  for (const seed of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
    const faults = plan(seed, 120_000, 3)
    assert.deepStrictEqual(new Set(faults.map(({ kind }) => kind)), new Set(kinds))
    assert.isBelow(faults.at(-1)!.at, 120_000 - TAIL_MS)
  }
})
