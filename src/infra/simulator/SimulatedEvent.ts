import type { FactType } from "../../domain/BillingFact.ts"

export type EndpointName = "paypal" | "toss"
export type Json = Readonly<Record<string, unknown>>

/** A billing fact that must stand in `billing.events.v1`, once, after the event was processed. */
export interface ExpectedFact {
  readonly endpoint: EndpointName
  readonly type: FactType
  readonly effect_key: string
  readonly payment_reference: string
  readonly object_id: string
  readonly amount: { readonly value: string; readonly currency: string } | null
  readonly parent_reference: string | null
}

/** One event of a provider: the body, the headers of each of its deliveries, and what must come of it. */
export interface SimulatedEvent {
  readonly endpoint: EndpointName
  readonly eventType: string
  readonly dedupKey: string
  readonly body: Buffer
  /** One set of headers per copy; what a provider changes between attempts differs. */
  readonly copies: ReadonlyArray<Readonly<Record<string, string>>>
  /** Everything that is proven once this event is processed, also where another event books it first. */
  readonly facts: ReadonlyArray<ExpectedFact>
}

/** The providers' world moves on, then tells of it: from now on their APIs answer so, and these events are sent. */
export interface Act {
  readonly payments: ReadonlyArray<Json>
  readonly paypalEvents: ReadonlyArray<Json>
  readonly events: ReadonlyArray<SimulatedEvent>
}

/** Acts that happen one after the other: the next one only when the gate is done with the events of the last one. */
export type Story = ReadonlyArray<Act>
