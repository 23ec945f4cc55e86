import { expect, it } from "vitest"
import * as Positions from "../../src/consumer/Positions.ts"

it("an offset is committed when everything before it has ended, with what Kafka put behind it", () => {
  const positions = Positions.make()
  expect(positions.next()).toBeUndefined()
  positions.accept(["10", "11", "14"], "15")
  expect(positions.next()).toBe("10")
  positions.done("14")
  positions.done("11")
  expect([positions.next(), positions.pending(), positions.held()]).toEqual(["10", 1, 3])
  positions.done("10")
  expect([positions.next(), positions.pending(), positions.held()]).toEqual(["16", 0, 0])
  positions.accept([], "17")
  expect(positions.next()).toBe("18")
  positions.accept(["18"], "18")
  expect(positions.next()).toBe("18")
})
