import { type Cause, Effect, Queue, Schedule, Stream } from "effect"
import type { Courier } from "./Courier.ts"
import type { Told } from "./EventVerdict.ts"
import type { SeededRandom } from "./SeededRandom.ts"
import type { Act, EndpointName, SimulatedEvent, Story } from "./SimulatedEvent.ts"
import type { SimulatorClient } from "./SimulatorClient.ts"

export interface PlayOptions {
  readonly urlOf: (endpoint: EndpointName) => URL
  readonly courier: Courier
  readonly deposit: SimulatorClient["deposit"]
  readonly concurrency: number
  /** Deliveries a second; as fast as the answers come where it is left out. */
  readonly rate?: number
  /** How long a delivery that got no 200 is sent again, as providers do for days; 0: not at all. */
  readonly retryMs: number
  /** Milliseconds before a delivery is sent again for the nth time, by a provider's own table; undefined at its end. */
  readonly retryPause?: (endpoint: EndpointName, attempt: number) => number | undefined
  readonly random: SeededRandom
  readonly onReceived: () => void
}

interface Slot {
  readonly told: Told
  readonly copy: number
  readonly scene: Scene
}

/** One act under way: its deliveries, and the story that goes on behind it. */
interface Scene {
  readonly told: ReadonlyArray<Told>
  readonly rest: Story
  left: number
}

/** How far the copies of an event are spread over the deliveries of others, unless they come at the same moment. */
const SPREAD = 24

/** All copies of all events in the order they are sent: half of the events come at once, the others interleaved. */
const ordered = (scenes: ReadonlyArray<Scene>, random: SeededRandom): Array<Slot> => {
  const slots: Array<{ readonly at: number; readonly slot: Slot }> = []
  random.shuffle(scenes).forEach((scene, index) => {
    for (const told of scene.told) {
      const spread = random.chance(0.5) ? 0.5 : SPREAD
      told.event.copies.forEach((_, copy) => {
        slots.push({ at: index + (copy === 0 ? 0 : random.next() * spread), slot: { told, copy, scene } })
      })
    }
  })
  return slots.sort((a, b) => a.at - b.at).map(({ slot }) => slot)
}

const untold = (event: SimulatedEvent): Told => ({ event, received: [], lost: [], isFinished: false })

const RETRY_PAUSE_MS = 500
const PROBE_PAUSE_MS = 200
const PROBES = 300

/** Of a duplicate: its event ends by itself. */
const isUnderWay = (state: string | null) => state === "processing" || state === "retry_scheduled"

/**
 * Plays stories against a gate. Acts of one story come one after the other, each only once the gate is done with the one
 * before, because Toss's API tells of a payment as it is now: a state that nobody saw makes no fact, and expectations
 * would be a matter of luck. A story whose act was not processed ends there.
 */
export const play = Effect.fn("Play.play")(function* (stories: ReadonlyArray<Story>, options: PlayOptions) {
  const { courier, random, retryPause = () => RETRY_PAUSE_MS, urlOf } = options
  const all: Array<Told> = []
  const queue = yield* Queue.unbounded<Slot, Cause.Done>()
  let scenesLeft = 0
  let sent = 0
  const begun = performance.now()

  const sceneOf = ([act, ...rest]: Story): Scene => {
    const told = (act as Act).events.map(untold)
    all.push(...told)
    scenesLeft++
    return { told, rest, left: told.reduce((sum, { event }) => sum + event.copies.length, 0) }
  }

  const deliver = (event: SimulatedEvent, copy: number) =>
    Effect.promise(() => courier.deliver(urlOf(event.endpoint), event.copies[copy]!, event.body))

  /** Whether the gate has finished the event; where no answer says so, it is sent again until one does. */
  const isFinished = Effect.fnUntraced(function* ({ event, received }: Told) {
    if (received.some(({ state, status }) => status === "processed" || state === "done")) return true
    if (!received.some(({ state, status }) => status === "accepted" || isUnderWay(state))) return false
    for (let probe = 0; probe < PROBES; probe++) {
      yield* Effect.sleep(PROBE_PAUSE_MS)
      const { httpStatus, state, status } = yield* deliver(event, event.copies.length - 1)
      if (status === "processed" || state === "done") return true
      if (!isUnderWay(state) && (httpStatus === 200 || options.retryMs === 0)) return false
    }
    return false
  })

  /** The simulator may be down for a moment with the gate: they are one process in `npm start`. */
  const deposit = ({ payments, paypalEvents }: Pick<Act, "payments" | "paypalEvents">) =>
    options
      .deposit(payments, paypalEvents)
      .pipe(
        Effect.retry({ schedule: Schedule.spaced(RETRY_PAUSE_MS), times: options.retryMs / RETRY_PAUSE_MS })
      )

  const afterScene = Effect.fnUntraced(function* ({ rest, told }: Scene) {
    const [next] = rest
    // Also at the end of a story, so that whoever compares facts after the run finds them there.
    for (const one of told) one.isFinished = yield* isFinished(one)
    const isDone = told.every((one) => one.isFinished)
    if (next !== undefined && isDone && (yield* Effect.isSuccess(deposit(next)))) {
      yield* Queue.offerAll(queue, ordered([sceneOf(rest)], random))
    } else {
      for (const act of rest) all.push(...act.events.map(untold))
    }
    scenesLeft--
    if (scenesLeft === 0) yield* Queue.end(queue)
  })

  const send = Effect.fnUntraced(function* ({ copy, scene, told }: Slot) {
    const due = options.rate === undefined ? 0 : begun + (sent++ * 1000) / options.rate - performance.now()
    if (due > 1) yield* Effect.sleep(due)
    const giveUpAt = performance.now() + options.retryMs
    let received = yield* deliver(told.event, copy)
    for (let retry = 1; received.httpStatus !== 200 && performance.now() < giveUpAt; retry += 1) {
      const pause = retryPause(told.event.endpoint, retry)
      if (pause === undefined) break
      told.lost.push(received)
      yield* Effect.sleep(pause)
      received = yield* deliver(told.event, copy)
    }
    told.received.push(received)
    options.onReceived()
    scene.left--
    if (scene.left === 0) yield* afterScene(scene)
  })

  const first = stories.map(([act]) => act).filter((act) => act !== undefined)
  yield* deposit({
    payments: first.flatMap(({ payments }) => payments),
    paypalEvents: first.flatMap(({ paypalEvents }) => paypalEvents)
  })
  yield* Queue.offerAll(queue, ordered(stories.filter((story) => story.length > 0).map(sceneOf), random))
  if (scenesLeft === 0) yield* Queue.end(queue)
  yield* Stream.fromQueue(queue).pipe(
    Stream.mapEffect(send, { concurrency: options.concurrency, unordered: true }),
    Stream.runDrain
  )
  return { told: all, ms: performance.now() - begun }
})
