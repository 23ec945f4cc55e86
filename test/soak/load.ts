import { createHmac } from "node:crypto"
import { Effect } from "effect"
import * as Cast from "../../src/infra/simulator/Cast.ts"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import type { Told } from "../../src/infra/simulator/EventVerdict.ts"
import { transmissions } from "../../src/infra/simulator/PayPalTransmission.ts"
import { play } from "../../src/infra/simulator/Play.ts"
import * as SeededRandom from "../../src/infra/simulator/SeededRandom.ts"
import type { SimulatedEvent, Story } from "../../src/infra/simulator/SimulatedEvent.ts"
import type { House } from "./house.ts"

const EVENTS = 150
const COPIES = 2
/** A minute of the providers' tables of retries: a run is shorter than their days. */
const MINUTE_MS = 10
const RETRY_MS = 120_000
/**
 * Toss sends again after 1, 4, 16, .. 4096 minutes, seven times; PayPal up to 25 times in three days, at moments that it
 * does not publish: taken as growing evenly.
 */
const TABLES = {
  toss: Array.from({ length: 7 }, (_, retry) => MINUTE_MS * 4 ** retry),
  paypal: Array.from({ length: 25 }, (_, retry) => (MINUTE_MS * 3 * 1_440 * (retry + 1)) / (25 * 13))
}
/** Of each batch's events, how many come again later. */
const AGAIN = 5

export interface Line {
  readonly t: string
  readonly [field: string]: unknown
}

/** Which act of which story an event belongs to. */
const places = (batch: string, stories: ReadonlyArray<Story>) => {
  const found = new Map<SimulatedEvent, { readonly story: string; readonly act: number }>()
  stories.forEach((story, index) => {
    story.forEach(({ events }, act) => {
      for (const event of events) found.set(event, { story: `${batch}/${index}`, act })
    })
  })
  return found
}

const eventLine = (
  { event, lost, received }: Told,
  place: { readonly story: string; readonly act: number }
): Line => ({
  t: "event",
  ...place,
  endpoint: event.endpoint,
  dedup_key: event.dedupKey,
  facts: event.facts,
  answers: [...lost, ...received].map(({ httpStatus, state, status }) => [httpStatus, status, state])
})

/**
 * Webhooks of both providers without end, their copies among them, each sent again by its provider's table; a few of them come
 * again long after; and forged ones, which must never count.
 */
export const makeLoad = Effect.fnUntraced(function* (
  house: House,
  options: {
    readonly seed: string
    /** Deliveries a second. */
    readonly rate: number
    readonly write: (line: Line) => void
  }
) {
  const { client, signer } = house.providers
  const courier = yield* Effect.acquireRelease(
    Effect.sync(() => Courier.make(64, 20_000)),
    (open) => Effect.sync(open.close)
  )
  const [row] = yield* Effect.promise(
    () =>
      house.sql<
        Array<{ pseudonym_key: Buffer }>
      >`SELECT pseudonym_key FROM webhook_endpoints WHERE name = 'paypal'`
  )
  const pseudonym = (token: string) => createHmac("sha256", row!.pseudonym_key).update(token).digest("hex")
  const flying = house.places.map(() => 0)
  let turn = 0
  let acked = 0
  let sent = 0
  let refused = 0
  let isOver = false

  /** Round robin over the gates, also those that are dead at the moment. */
  const post: Courier.Courier["deliver"] = async (url, headers, body) => {
    const gate = turn++ % house.places.length
    flying[gate]! += 1
    sent += 1
    const received = await courier.deliver(new URL(url.pathname, house.places[gate]!.url), headers, body)
    flying[gate]! -= 1
    if (received.httpStatus === 200) acked += 1
    return received
  }
  /** What a genuine delivery is answered with but 200 is counted: it will come again. */
  const deliver: Courier.Courier["deliver"] = async (url, headers, body) => {
    const received = await post(url, headers, body)
    if (received.httpStatus !== 200) refused += 1
    return received
  }

  const again = async (events: ReadonlyArray<SimulatedEvent>) => {
    for (const event of events) {
      const { httpStatus, state, status } = await deliver(
        new URL(`http://gate/webhooks/${event.endpoint}`),
        event.copies.at(-1)!,
        event.body
      )
      options.write({ t: "again", dedup_key: event.dedupKey, answer: [httpStatus, status, state] })
    }
  }

  /** One PayPal delivery whose signature is another one's, one Toss payment that nobody ever made. */
  const forge = async (random: SeededRandom.SeededRandom) => {
    const id = `WH-FORGED-${random.text("0123456789ABCDEF", 20)}`
    const body = Buffer.from(JSON.stringify({ id, event_type: "PAYMENT.CAPTURE.COMPLETED", resource: {} }))
    const [headers] = transmissions(signer, random, Buffer.from("{}"), 1, Date.now())
    const paypal = await post(new URL("http://gate/webhooks/paypal"), headers!, body)
    options.write({ t: "forged", endpoint: "paypal", dedup_key: `ev_${id}`, answer: [paypal.httpStatus] })
    const paymentKey = `forged_${random.text("0123456789abcdef", 20)}`
    const toss = await post(
      new URL("http://gate/webhooks/toss"),
      { "content-type": "application/json", "tosspayments-webhook-transmission-id": paymentKey },
      Buffer.from(
        JSON.stringify({
          eventType: "PAYMENT_STATUS_CHANGED",
          data: { paymentKey, status: "DONE", orderId: "o" }
        })
      )
    )
    options.write({ t: "forged", endpoint: "toss", dedup_key: `tx_${paymentKey}`, answer: [toss.httpStatus] })
  }

  const troupe = Effect.fnUntraced(function* (name: number, of: number) {
    let before: ReadonlyArray<SimulatedEvent> = []
    for (let batch = 0; !isOver; batch += 1) {
      const seed = `${options.seed}/${name}/${batch}`
      const random = SeededRandom.make(`${seed}/order`)
      const stories = Cast.stories(client, ["paypal", "toss"], EVENTS, {
        seed,
        copies: COPIES,
        now: Date.now(),
        pseudonym
      })
      const found = places(seed, stories)
      const { told } = yield* play(stories, {
        urlOf: (endpoint) => new URL(`http://gate/webhooks/${endpoint}`),
        courier: { deliver, close: () => {} },
        deposit: client.deposit,
        concurrency: 48,
        rate: options.rate / of,
        retryMs: RETRY_MS,
        retryPause: (endpoint, attempt) => TABLES[endpoint][attempt - 1],
        random,
        onReceived: () => {}
      })
      for (const one of told)
        if (one.received.length + one.lost.length > 0) options.write(eventLine(one, found.get(one.event)!))
      yield* Effect.promise(() => again(before))
      yield* Effect.promise(() => forge(random))
      before = random
        .shuffle(told.filter(({ received }) => received.some(({ httpStatus }) => httpStatus === 200)))
        .slice(0, AGAIN)
        .map(({ event }) => event)
    }
  })

  return {
    run: Effect.forEach([1, 2, 3, 4], (name) => troupe(name, 4), { concurrency: "unbounded", discard: true }),
    stop: () => {
      isOver = true
    },
    acked: () => acked,
    sent: () => sent,
    refused: () => refused,
    inFlight: (gate: number | undefined) =>
      gate === undefined ? flying.reduce((sum, one) => sum + one, 0) : flying[gate]!
  }
})
export type Load = Effect.Success<ReturnType<typeof makeLoad>>
