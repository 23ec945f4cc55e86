import { Clock, Effect, Exit, FiberSet, Schedule } from "effect"
import { ProcessFailed } from "../../domain/Provider.ts"

/** Look-ups at work at once. */
const AT_WORK = 64
/** Past this many one waits, and it is crowded. */
const FREE = 16
/** Of these, while it is crowded, for strangers: names that are not on the merchant's own list. */
const STRANGERS = 8
/** Between the beginnings of two strangers' look-ups; a 429 doubles it, and it goes back little by little. */
const GAP_MS = 5
const LONGEST_GAP_MS = 1_000
/** After a 429 nothing is asked for so long, twice as long after another one, unless the API says how long. */
const QUIET_MS = 100
/** A longer wait than this is for the breaker and for later attempts. */
const MOMENT_MS = 1_000
/** No stranger waits longer. */
const PATIENCE_MS = 5_000
/** Between two readings of the list: twice as long as the last one took, within these bounds. */
const READING_MS = { least: 50, most: 250 }
/** The first reading reaches back so far: who is posted now was mostly approved a moment ago, and must not wait for the rest. */
const NEAR_MS = 60_000
/** A reading after it, and beside the next ones, reaches back so far, page after page. */
const REACH_MS = 1_800_000
/** After a reading that failed. */
const READING_AGAIN_MS = 30_000
/** Names that are remembered: past it those that were read first are forgotten. */
const REMEMBERED = 1_000_000
/** It is crowded until for so long each could have been asked for at once. */
const CALM_MS = 2_000

const busy = ProcessFailed.of("world", "provider_busy")

type Resume<A> = (answer: Effect.Effect<A, ProcessFailed>) => void
type Line<A> = Map<string, Ticket<A>>

/** A payment that is to be asked for, and everyone who wants the answer. */
interface Ticket<A> extends Question<A> {
  readonly since: number
  readonly askers: Set<Resume<A>>
  line: Line<A>
}

export interface LookupQueueOptions {
  readonly provider: string
  /** Tells the names on the merchant's own list since a time in milliseconds, in parts as they come. */
  readonly recent: (
    since: number,
    onNames: (names: ReadonlyArray<string>) => void
  ) => Effect.Effect<void, ProcessFailed>
  /** Events in the queue: past it the stranger who came first is put off, who had the best chance to be named. */
  readonly places: number
}

export interface Question<A> {
  /** Questions of one name that wait have one answer. */
  readonly name: string
  /** False where the list would not have it though it were genuine: it goes before the strangers who should be there. */
  readonly isListed: boolean
  readonly lookup: Effect.Effect<A, ProcessFailed>
}

/**
 * The way to a provider's API for events that anybody can post. While the API keeps up, each is asked for at once. When
 * they begin to wait, the merchant's own list of payments, which no forger gets onto, says who goes first. Strangers share a gentle pace, and past the places that there are they are put off:
 * `provider_busy`. The list is about order and proves nothing; without it, it is first come, first served.
 */
export const make = Effect.fnUntraced(function* <A>({ places, provider, recent }: LookupQueueOptions) {
  const run = yield* FiberSet.makeRuntime()
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()

  const known: Line<A> = new Map()
  const unlisted: Line<A> = new Map()
  const strangers: Line<A> = new Map()
  /** Behind a look-up of the same name: whoever has one genuine payment must not have all places with it. */
  const behind: Line<A> = new Map()
  const waiting: Line<A> = new Map()
  const working = new Set<string>()
  let list = new Set<string>()
  /** False where the list's latest names cannot be had: who is not on it may be genuine all the same. */
  let isLatest = true
  let events = 0
  let strangersAtWork = 0
  let gapMs = GAP_MS
  let nextStrangerAt = 0
  let quietMs = QUIET_MS
  let quietUntil = 0
  let isCrowded = false

  const lineOf = ({ isListed, name }: Question<A>) =>
    working.has(name) ? behind : list.has(name) ? known : isListed ? strangers : unlisted
  const enter = (ticket: Ticket<A>, line: Line<A>) => {
    ticket.line.delete(ticket.name)
    ticket.line = line
    line.set(ticket.name, ticket)
    waiting.set(ticket.name, ticket)
  }
  const leave = (ticket: Ticket<A>) => {
    ticket.line.delete(ticket.name)
    waiting.delete(ticket.name)
  }
  const settle = (ticket: Ticket<A>, answer: Effect.Effect<A, ProcessFailed>) => {
    events -= ticket.askers.size
    for (const resume of ticket.askers) resume(answer)
    ticket.askers.clear()
  }
  const putOff = (ticket: Ticket<A>) => {
    leave(ticket)
    settle(ticket, Effect.fail(busy))
  }

  const begin = (ticket: Ticket<A>) => {
    const isStranger = isCrowded && ticket.line !== known
    leave(ticket)
    working.add(ticket.name)
    if (isStranger) {
      strangersAtWork += 1
      nextStrangerAt = now() + gapMs
      gapMs = Math.max(GAP_MS, gapMs * 0.95)
    }
    run(ticket.lookup).addObserver((exit) => {
      working.delete(ticket.name)
      if (isStranger) strangersAtWork -= 1
      const next = waiting.get(ticket.name)
      if (isToBeAskedAgain(ticket, exit) && next === undefined) enter(ticket, lineOf(ticket))
      else settle(ticket, exit)
      if (next !== undefined) enter(next, lineOf(next))
      pump()
    })
  }

  /** The API asks for a moment, and there is one. */
  const isToBeAskedAgain = (ticket: Ticket<A>, exit: Exit.Exit<A, ProcessFailed>) => {
    const error = Exit.isFailure(exit) ? exit.cause.reasons.find(({ _tag }) => _tag === "Fail") : undefined
    const failure = error?._tag === "Fail" ? error.error : undefined
    if (failure?.code !== "provider_rate_limited") {
      quietMs = QUIET_MS
      return false
    }
    const waitMs = failure.retryAfterMs ?? quietMs
    const until = now() + waitMs
    if (waitMs > MOMENT_MS || until - ticket.since > PATIENCE_MS) return false
    if (now() >= quietUntil) {
      quietMs *= 2
      gapMs = Math.min(gapMs * 2, LONGEST_GAP_MS)
    }
    quietUntil = Math.max(quietUntil, until)
    return true
  }

  /** Whose turn it is, if it is anyone's. */
  const next = () => {
    const [first] = known.values()
    const [stranger] = (unlisted.size > 0 ? unlisted : strangers).values()
    const isFree = isCrowded
      ? !isLatest || (strangersAtWork < STRANGERS && now() >= nextStrangerAt)
      : working.size < FREE
    return first ?? (isFree ? stranger : undefined)
  }
  const pump = () => {
    while (working.size < AT_WORK && now() >= quietUntil) {
      const ticket = next()
      if (ticket === undefined) break
      begin(ticket)
    }
    if (isCrowded || waiting.size === behind.size) return
    isCrowded = true
    isLatest = true
    list = new Set()
    run(crowd)
  }

  const learn = (names: ReadonlyArray<string>) => {
    for (const name of names) list.add(name)
    for (const ticket of [...unlisted.values(), ...strangers.values()])
      if (list.has(ticket.name)) enter(ticket, known)
    for (const name of list) {
      if (list.size <= REMEMBERED) break
      list.delete(name)
    }
    pump()
  }
  const reachBack = (from: number) =>
    Effect.retry(
      Effect.suspend(() => recent(from - REACH_MS, learn)),
      Schedule.spaced(READING_AGAIN_MS)
    )
  const readings = Effect.gen(function* () {
    const from = now()
    let since = from - NEAR_MS
    while (true) {
      const begun = now()
      const answer = yield* Effect.result(recent(since, learn))
      if (begun === from) yield* Effect.forkChild(reachBack(from)) // the short one first
      if (answer._tag === "Success") {
        since = begun
        isLatest = true
      } else if (answer.failure.code === "provider_rate_limited") {
        yield* Effect.sleep(Math.min(answer.failure.retryAfterMs ?? 0, READING_AGAIN_MS))
      } else {
        isLatest = false
        pump()
        yield* Effect.sleep(READING_AGAIN_MS)
      }
      yield* Effect.sleep(Math.max(READING_MS.least, Math.min(2 * (now() - begun), READING_MS.most)))
    }
  })

  const watch = Effect.gen(function* () {
    let calmSince = now()
    while (now() - calmSince < CALM_MS) {
      for (const line of [unlisted, strangers])
        for (const ticket of line.values()) {
          if (now() - ticket.since <= PATIENCE_MS) break // those behind came later
          putOff(ticket)
        }
      pump()
      // Who waits for the strangers' pace alone does not make it crowded: those that are asked for again would for days.
      if (waiting.size - behind.size + working.size > FREE || now() < quietUntil) calmSince = now()
      yield* Effect.sleep(GAP_MS)
    }
  })

  const say = (event: string, message: string) =>
    Effect.annotateLogs(Effect.logInfo(message), { event, provider })
  const crowd = Effect.gen(function* () {
    yield* say("PROVIDER_API_CROWDED", "look-ups wait: those on the merchant's own list go first")
    yield* Effect.raceFirst(watch, readings)
    isCrowded = false
    gapMs = GAP_MS
    yield* say("PROVIDER_API_KEEPS_UP", "look-ups no longer wait")
    pump()
  })

  return (question: Question<A>): Effect.Effect<A, ProcessFailed> =>
    Effect.callback((resume) => {
      if (events >= places) {
        const [eldest] = (strangers.size > 0 ? strangers : unlisted).values()
        if (eldest === undefined) return resume(Effect.fail(busy))
        putOff(eldest)
      }
      const ticket: Ticket<A> = waiting.get(question.name) ?? {
        ...question,
        since: now(),
        askers: new Set(),
        line: behind
      }
      if (ticket.askers.size === 0) enter(ticket, lineOf(question))
      ticket.askers.add(resume)
      events += 1
      pump()
      return Effect.sync(() => {
        if (!ticket.askers.delete(resume)) return
        events -= 1
        if (ticket.askers.size === 0 && waiting.get(ticket.name) === ticket) leave(ticket)
      })
    })
})
