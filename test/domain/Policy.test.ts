import { assert, it } from "@effect/vitest"
import { backoffMs } from "../../src/domain/Policy.ts"

const policy = { leaseMs: 30_000, maxAttempts: 10, backoffBaseMs: 1_000, backoffMaxMs: 60_000 }
const pauses = (code: string, jitter = 0.5) =>
  [0, 1, 2, 3, 4, 5, 6, 40].map((failures) => backoffMs(policy, code, failures, jitter) / 1_000)

it("a pause doubles with every failure, up to the longest", () => {
  assert.deepStrictEqual(pauses("provider_unavailable"), [1, 2, 4, 8, 16, 32, 60, 60])
})

it("what was put off for others does not wait for long; what no API knows waits by a table of its own", () => {
  assert.deepStrictEqual(pauses("provider_busy"), [1, 2, 4, 8, 16, 32, 32, 32])
  assert.deepStrictEqual(pauses("unconfirmed"), [2, 4, 8, 15, 30, 60, 120, 345_600])
})

it("attempts are spread over half to one and a half times the pause", () => {
  assert.deepStrictEqual(pauses("provider_unavailable", 0)[0], 0.5)
  assert.deepStrictEqual(pauses("provider_unavailable", 1)[0], 1.5)
})
