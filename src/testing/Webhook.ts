import { createHash } from "node:crypto"
import { Schema } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import type { Delivery } from "../domain/Delivery.ts"
import { type Endpoint, EndpointName } from "../domain/Endpoint.ts"
import { RequestHash } from "../domain/RequestHash.ts"
import * as SeededRandom from "../infra/simulator/SeededRandom.ts"
import type { ExpectedFact, Json, SimulatedEvent, Story } from "../infra/simulator/SimulatedEvent.ts"

/** One HTTP request of a provider. A header with a list is sent once for each of its values. */
export interface Webhook {
  readonly provider: "paypal" | "toss"
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly body: Uint8Array
}

/** A genuine one, and what a gate makes of it. */
export interface ValidWebhook extends Webhook {
  readonly eventType: string
  readonly dedupKey: string
  /** What must be booked once it is processed. */
  readonly facts: ReadonlyArray<ExpectedFact>
  /** What Toss's API answers for the payments of this event (`GET /v1/payments/{paymentKey}`); empty for PayPal. */
  readonly payments: ReadonlyArray<Json>
}

/** One that is broken in a way that has a name, and the status that a gate answers. 200: verified, and quarantined. */
export interface BrokenWebhook extends Webhook {
  readonly how: string
  readonly status: 200 | 400 | 401
}

/** How a genuine webhook is broken. `random` chooses where. */
export interface Break {
  readonly status: BrokenWebhook["status"]
  readonly make: (genuine: Webhook, random: SeededRandom.SeededRandom) => Pick<Webhook, "headers" | "body">
}

/** Everything of a generated webhook follows from a seed. */
export const seeds = Arbitrary.map(
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 }))),
  (seed) => SeededRandom.make(`webhook ${seed}`)
)

export const valid = (
  event: SimulatedEvent,
  copy: number,
  payments: ReadonlyArray<Json> = []
): ValidWebhook => ({
  provider: event.endpoint,
  headers: event.copies[copy]!,
  body: event.body,
  eventType: event.eventType,
  dedupKey: event.dedupKey,
  facts: event.facts,
  payments
})

/** The deliveries of stories as one series: the copies of an event in their order, and events mixed. */
export const interleaved = (
  stories: ReadonlyArray<Story>,
  random: SeededRandom.SeededRandom
): ReadonlyArray<ValidWebhook> =>
  stories
    .flatMap((story) => story.flatMap(({ events, payments }) => events.map((event) => ({ event, payments }))))
    .flatMap(({ event, payments }) => {
      const begin = random.next()
      return event.copies.map((_, copy) => ({
        at: begin + (copy === 0 ? 0 : random.next()),
        webhook: valid(event, copy, payments)
      }))
    })
    .sort((one, other) => one.at - other.at)
    .map(({ webhook }) => webhook)

export const brokenBy = (
  breaks: Readonly<Record<string, Break>>,
  genuine: (random: SeededRandom.SeededRandom, how: string) => Webhook
): Arbitrary.Arbitrary<BrokenWebhook> =>
  Arbitrary.map(
    Arbitrary.all([Arbitrary.schema(Schema.Literals(Object.keys(breaks))), seeds] as const),
    ([how, random]) => {
      const { make, status } = breaks[how]!
      const one = genuine(random, how)
      return { provider: one.provider, how, status, ...make(one, random) }
    }
  )

/** The request as an adapter's `identify` takes it. */
export const toDelivery = (webhook: Webhook, endpoint?: Endpoint): Delivery => ({
  endpoint: endpoint ?? {
    name: EndpointName.make(webhook.provider),
    kind: webhook.provider,
    environment: "sandbox"
  },
  headers: Object.fromEntries(
    Object.entries(webhook.headers).map(([name, value]) => [
      name,
      typeof value === "string" ? [value] : value
    ])
  ),
  body: webhook.body,
  hash: RequestHash.make(createHash("sha256").update(webhook.body).digest("hex"))
})
