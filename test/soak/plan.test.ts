import { assert, it } from "@effect/vitest"
import { digestOf, firstDifference, kinds, plan, TAIL_MS } from "./plan.ts"

it("the same seed strikes the same faults in the same order, another seed others", () => {
  assert.deepStrictEqual(plan("a", 600_000), plan("a", 600_000))
  assert.notDeepEqual(plan("a", 600_000), plan("b", 600_000))
})

it("two minutes are enough for every kind, and the tail is left in peace", () => {
  for (const seed of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
    const faults = plan(seed, 120_000)
    assert.deepStrictEqual(new Set(faults.map(({ kind }) => kind)), new Set(kinds))
    assert.isBelow(faults.at(-1)!.at, 120_000 - TAIL_MS)
  }
})

it("what two runs struck is compared by kind, target and order, not by moment", () => {
  const run = plan("a", 300_000)
  const later = run.map((fault) => ({ ...fault, at: fault.at + 1_000 }))
  assert.strictEqual(digestOf(later), digestOf(run))
  assert.isUndefined(firstDifference(run, later))

  const [first, second, ...rest] = run
  const swapped = [second!, first!, ...rest]
  assert.notStrictEqual(digestOf(swapped), digestOf(run))
  assert.strictEqual(firstDifference(run, swapped)?.index, 0)
  assert.strictEqual(firstDifference(run, run.slice(0, -1))?.now, "nothing")
  const otherTarget = run.map((fault, index) => (index === 3 ? { ...fault, target: "gate 9" } : fault))
  assert.strictEqual(firstDifference(run, otherTarget)?.index, 3)
})
