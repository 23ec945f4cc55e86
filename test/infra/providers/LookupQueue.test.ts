import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ProcessFailed } from "../../../src/domain/Provider.ts"
import * as LookupQueue from "../../../src/infra/providers/LookupQueue.ts"

const unconfirmed = ProcessFailed.of("world", "unconfirmed")
const limited = ProcessFailed.of("world", "provider_rate_limited")
const down = ProcessFailed.of("world", "provider_unavailable")

interface Api {
  /** Requests a second; past it slower, or 429. */
  readonly rate: number
  readonly refuses?: boolean
  readonly answerMs?: number
  /** Reads the merchant's list. */
  readonly list?: (sinceMs: number) => Effect.Effect<ReadonlyArray<string>, ProcessFailed>
}

/** A queue before an API of the test's clock. Genuine names begin with `g` or `n`, and the list has those with `g`. */
const given = Effect.fnUntraced(function* ({ answerMs = 20, list, rate, refuses = false }: Api) {
  const asked: Array<string> = []
  const listable = new Set<string>()
  let readings = 0
  let refused = 0
  let most = 0
  let pending = 0
  let mostPending = 0
  let atWork = 0
  let busyUntil = 0
  const request = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const done = Math.max(now, busyUntil) + 1_000 / rate
    if (refuses && done > now + 1_000) {
      refused += 1
      return yield* limited
    }
    busyUntil = done
    yield* Effect.sleep(answerMs + (refuses ? 0 : done - now))
  })
  const ask = yield* LookupQueue.make<string>({
    provider: "toss",
    places: 400,
    recent: (since, onNames) =>
      Effect.suspend(() => {
        readings += 1
        const names = list === undefined ? Effect.as(request, [...listable]) : list(since)
        return Effect.map(names, onNames)
      })
  })
  const lookup = (name: string) =>
    Effect.suspend(() => {
      asked.push(name)
      atWork += 1
      most = Math.max(most, atWork)
      return request.pipe(
        Effect.andThen(/^[gn]/u.test(name) ? Effect.succeed(name) : Effect.fail(unconfirmed)),
        Effect.ensuring(
          Effect.sync(() => {
            atWork -= 1
          })
        )
      )
    })
  /** Resolves to what came of it and how long that took. */
  const event = (name: string) =>
    Effect.gen(function* () {
      const begun = yield* Clock.currentTimeMillis
      pending += 1
      const came = yield* Effect.match(ask({ name, isListed: !name.startsWith("n"), lookup: lookup(name) }), {
        onSuccess: () => "done",
        onFailure: ({ code }) => code
      })
      pending -= 1
      mostPending = Math.max(mostPending, pending)
      return { name, came, ms: (yield* Clock.currentTimeMillis) - begun }
    })
  let made = 0
  const fresh = (kind: string) => {
    made += 1
    return `${kind} ${made}`
  }
  return {
    event,
    fresh,
    asked,
    approve: (name: string) => listable.add(name),
    tell: () => ({ readings, refused, most, mostPending })
  }
})
type Given = Effect.Success<ReturnType<typeof given>>
type Told = Effect.Success<ReturnType<Given["event"]>>

/** For so many milliseconds, so many genuine and forged events a second. */
const arrive = Effect.fnUntraced(function* (
  { approve, event, fresh }: Given,
  forMs: number,
  perSecond: { readonly genuine?: number; readonly forged?: number }
) {
  const { forged = 0, genuine = 0 } = perSecond
  // Toss tells of a payment after it approved it.
  const approved = Array.from({ length: (forMs * genuine) / 1_000 }, () => fresh("g"))
  for (const name of approved) approve(name)
  const fibers: Array<Fiber.Fiber<Told>> = []
  let forgedSoFar = 0
  for (let ms = 0; ms < forMs; ms += 1) {
    for (; forgedSoFar < (ms * forged) / 1_000; forgedSoFar += 1)
      fibers.push(yield* Effect.forkChild(event(fresh("f"))))
    if ((ms * genuine) % 1_000 === 0 && genuine > 0)
      fibers.push(yield* Effect.forkChild(event(approved.pop()!)))
    yield* TestClock.adjust(1)
  }
  return fibers
})
const settled = Effect.fnUntraced(function* (fibers: ReadonlyArray<Fiber.Fiber<Told>>) {
  yield* TestClock.adjust(20_000)
  return yield* Effect.forEach(fibers, Fiber.join)
})

const p99 = (told: ReadonlyArray<Told>) => {
  const ms = told.map((one) => one.ms).sort((a, b) => a - b)
  return ms[Math.floor(ms.length * 0.99)]!
}
const namesOf = (told: ReadonlyArray<Told>) => [...new Set(told.map(({ came }) => came))].sort()

describe("look-ups at an API that takes 500 requests a second", () => {
  for (const refuses of [false, true])
    it.effect(
      `a flood of strangers does not delay those on the list, where the API ${refuses ? "answers 429" : "gets slower"}`,
      () =>
        Effect.gen(function* () {
          const queue = yield* given({ rate: 500, refuses })
          const alone = yield* settled(yield* arrive(queue, 5_000, { genuine: 50 }))
          assert.strictEqual(queue.tell().readings, 0, "while the API keeps up, no list is read")
          const all = yield* settled(yield* arrive(queue, 5_000, { genuine: 50, forged: 2_000 }))
          const genuine = all.filter(({ name }) => name.startsWith("g"))
          assert.deepStrictEqual(namesOf(genuine), ["done"])
          assert.isAtMost(p99(genuine), 2 * p99(alone))
          const forged = all.filter(({ name }) => name.startsWith("f"))
          assert.deepStrictEqual(namesOf(forged), ["provider_busy", "unconfirmed"])
          assert.strictEqual(queue.tell().refused, 0)
          assert.isAtMost(queue.tell().mostPending, 400)
        })
    )

  it.effect("a payment that the list has late goes first from then on", () =>
    Effect.gen(function* () {
      const queue = yield* given({ rate: 500 })
      yield* arrive(queue, 500, { forged: 1_000 })
      const names = Array.from({ length: 10 }, () => queue.fresh("g"))
      const late = yield* Effect.forEach(names, (name) => Effect.forkChild(queue.event(name)))
      yield* arrive(queue, 100, { forged: 1_000 })
      for (const name of names) queue.approve(name)
      yield* arrive(queue, 500, { forged: 1_000 })
      const told = yield* settled(late)
      assert.deepStrictEqual(namesOf(told), ["done"])
      assert.isBelow(p99(told), 250)
    })
  )

  it.effect("those that are asked for again after a flood do not keep it crowded", () =>
    Effect.gen(function* () {
      const queue = yield* given({ rate: 500 })
      yield* arrive(queue, 1_000, { forged: 2_000 })
      let before = 0
      for (let ms = 0; ms < 10_000; ms += 250) {
        if (ms === 5_000) before = queue.tell().readings
        for (let one = 0; one < 8; one += 1) yield* Effect.forkChild(queue.event(queue.fresh("f")))
        yield* arrive(queue, 250, { genuine: 20 })
      }
      assert.isAbove(before, 0)
      assert.strictEqual(queue.tell().readings, before)
    })
  )

  it.effect("a list that answers late once is read again soon", () =>
    Effect.gen(function* () {
      let answerMs = 20
      const names: Array<string> = []
      const queue = yield* given({
        rate: 500,
        list: () =>
          Effect.suspend(() =>
            Effect.delay(
              Effect.sync(() => [...names]),
              answerMs
            )
          )
      })
      yield* arrive(queue, 500, { forged: 1_000 })
      answerMs = 2_000
      yield* arrive(queue, 500, { forged: 1_000 })
      answerMs = 20
      yield* arrive(queue, 1_700, { forged: 1_000 })
      const late = yield* Effect.forEach(
        Array.from({ length: 5 }, () => queue.fresh("g")),
        (name) => {
          names.push(name)
          return Effect.forkChild(queue.event(name))
        }
      )
      yield* arrive(queue, 1_000, { forged: 1_000 })
      assert.isBelow(p99(yield* settled(late)), 350)
    })
  )

  it.effect("who was approved a moment ago does not wait for half an hour of the list to be read", () =>
    Effect.gen(function* () {
      const approvedAt = new Map<string, number>()
      const queue = yield* given({
        rate: 500,
        list: (sinceMs) =>
          Effect.gen(function* () {
            const now = yield* Clock.currentTimeMillis
            yield* Effect.sleep(5 + (now - sinceMs) / 20_000)
            return [...approvedAt].filter(([, at]) => at >= sinceMs).map(([name]) => name)
          })
      })
      const approve = Effect.fnUntraced(function* (ago: number) {
        const name = queue.fresh("g")
        approvedAt.set(name, (yield* Clock.currentTimeMillis) - ago)
        return name
      })
      yield* TestClock.adjust(3_600_000)
      const old = yield* Effect.forEach([1_200_000, 600_000], approve)
      const recent = yield* Effect.forEach([1_000, 2_000, 3_000], approve)
      yield* arrive(queue, 25, { forged: 4_000 })
      const told = yield* Effect.forEach([...recent, ...old], (name) => Effect.forkChild(queue.event(name)))
      yield* arrive(queue, 3_000, { forged: 2_000 })
      const [first, second, third, ...late] = yield* settled(told)
      assert.isBelow(p99([first!, second!, third!]), 70)
      assert.deepStrictEqual(namesOf(late), ["done"])
    })
  )

  it.effect("what the list never has goes before the strangers that it should have", () =>
    Effect.gen(function* () {
      const queue = yield* given({ rate: 500 })
      yield* arrive(queue, 500, { forged: 1_000 })
      const aborted = yield* Effect.forkChild(queue.event(queue.fresh("n")))
      yield* arrive(queue, 500, { forged: 1_000 })
      const told = yield* settled([aborted])
      assert.deepStrictEqual(namesOf(told), ["done"])
      assert.isBelow(p99(told), 100)
    })
  )

  it.effect("thousands of posts about one genuine payment take one look-up at a time", () =>
    Effect.gen(function* () {
      const { approve, asked, event } = yield* given({ rate: 500 })
      approve("g one")
      const fibers: Array<Fiber.Fiber<Told>> = []
      for (let ms = 0; ms < 1_000; ms += 1) {
        for (let copy = 0; copy < 3; copy += 1) fibers.push(yield* Effect.forkChild(event("g one")))
        yield* TestClock.adjust(1)
      }
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(namesOf(yield* Effect.forEach(fibers, Fiber.join)), ["done"])
      assert.isBelow(asked.length, 60)
    })
  )
})

describe("without the list", () => {
  it.effect("first come, first served, within bounds", () =>
    Effect.gen(function* () {
      const { asked, event, tell } = yield* given({ rate: 100, list: () => Effect.fail(down) })
      const fibers = yield* Effect.forEach(Array.from({ length: 600 }), (_, index) =>
        Effect.forkChild(event(`g${index}`))
      )
      yield* TestClock.adjust(20_000)
      const told = yield* Effect.forEach(fibers, Fiber.join)
      assert.isAtMost(tell().most, 64)
      assert.deepStrictEqual(namesOf(told), ["done", "provider_busy"])
      assert.deepStrictEqual(
        asked.map((name) => Number(name.slice(1))),
        asked.map((name) => Number(name.slice(1))).sort((a, b) => a - b)
      )
    })
  )

  it.effect("what was read of the last half hour alone makes nobody who is posted now a stranger", () =>
    Effect.gen(function* () {
      const queue = yield* given({
        rate: 500,
        list: (sinceMs) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            now - sinceMs > 1_000_000 ? Effect.as(Effect.sleep(500), ["g of long ago"]) : Effect.fail(down)
          )
      })
      yield* arrive(queue, 100, { forged: 2_000 })
      yield* arrive(queue, 900, {})
      const told = yield* settled(yield* arrive(queue, 1_000, { forged: 300, genuine: 50 }))
      assert.isBelow(p99(told), 100)
      const late = yield* Effect.forkChild(queue.event("g of long ago"))
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(late)).came, "done")
    })
  )

  it.effect("an API that answers nothing keeps nobody waiting for ever, and no place after that", () =>
    Effect.gen(function* () {
      const { event } = yield* given({ rate: 500, answerMs: 60_000, list: () => Effect.never })
      const fibers = yield* Effect.forEach(Array.from({ length: 300 }), (_, index) =>
        Effect.forkChild(event(`f${index}`))
      )
      yield* TestClock.adjust(6_000)
      const waiting = fibers.filter((fiber) => fiber.pollUnsafe() === undefined)
      assert.isAtMost(waiting.length, 64)
      yield* Effect.forEach(waiting, Fiber.interrupt)
      yield* TestClock.adjust(60_000)
      const after = yield* Effect.forkChild(event("g after"))
      yield* TestClock.adjust(60_100)
      assert.strictEqual((yield* Fiber.join(after)).came, "done")
    })
  )

  it.effect(
    "a 429 is waited out while that takes a moment, and is the event's own where it takes longer",
    () =>
      Effect.gen(function* () {
        for (const [rate, expected] of [
          [20, "done"],
          [1, "done provider_rate_limited"]
        ] as const) {
          const { event, tell } = yield* given({ rate, refuses: true })
          const fibers = yield* Effect.forEach(Array.from({ length: 30 }), (_, index) =>
            Effect.forkChild(event(`g${index}`))
          )
          yield* TestClock.adjust(10_000)
          assert.strictEqual(namesOf(yield* Effect.forEach(fibers, Fiber.join)).join(" "), expected)
          assert.isBelow(tell().refused, 150)
        }
      })
  )
})
