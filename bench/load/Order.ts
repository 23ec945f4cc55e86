import { make } from "../../src/infra/simulator/SeededRandom.ts"

/** In which order deliveries are sent: each once; each four times, shuffled within 64; the first one over and over. */
export type Order = "unique" | "copies" | "hot"

const COPIES = 4
const WINDOW = 64

const shuffledCopies = (count: number): ReadonlyArray<number> => {
  const random = make("bench/order")
  const all: Array<number> = []
  for (let from = 0; from < count; from += WINDOW) {
    const window = Array.from({ length: Math.min(WINDOW, count - from) }, (_, at) => from + at)
    all.push(...random.shuffle(Array.from({ length: COPIES }, () => window).flat()))
  }
  return all
}

/** The next delivery's index at each call, `undefined` when there are no more. `hot` never ends; `cycle` begins anew. */
export const nextOf = (order: Order, count: number, cycle: boolean): (() => number | undefined) => {
  if (order === "hot") return () => 0
  const indices = order === "copies" ? shuffledCopies(count) : undefined
  const length = indices?.length ?? count
  let at = 0
  return () => {
    if (at === length) {
      if (!cycle) return undefined
      at = 0
    }
    const index = indices === undefined ? at : indices[at]!
    at += 1
    return index
  }
}
