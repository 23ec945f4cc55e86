import type { ExpectedFact, Json } from "./SimulatedEvent.ts"
import type { World } from "./World.ts"

/** One PayPal event before it gets its envelope; facts that carry the event's id are made from it. */
export interface PayPalTold {
  readonly eventType: string
  readonly resourceType: string
  /** v1 resources (sale, plan) come without one. */
  readonly resourceVersion?: "2.0" | "3.0"
  readonly summary: string
  readonly resource: Json
  readonly facts: (eventId: string) => ReadonlyArray<Omit<ExpectedFact, "endpoint">>
}

/** PayPal's object ids: 17 characters. */
export const newId = (world: World) => world.upper(17)

const API = "https://api.sandbox.paypal.com"
export const link = (path: string, rel: string, method = "GET") => ({ href: `${API}${path}`, rel, method })

/** v2 of the API: `value`, `currency_code`. */
export const money = (value: string, currency: string) => ({ currency_code: currency, value })

export const CURRENCIES = ["USD", "EUR", "GBP", "AUD", "CAD"] as const

/** PayPal writes whole seconds on resources. */
export const seconds = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`

export interface Envelope {
  readonly id: string
  readonly json: Json
}

/** The event as PayPal sends it. */
export const envelope = (world: World, told: PayPalTold): Envelope => {
  const id = `WH-${world.upper(17)}-${world.upper(17)}`
  const self = `/v1/notifications/webhooks-events/${id}`
  return {
    id,
    json: {
      id,
      event_version: "1.0",
      create_time: new Date(world.later()).toISOString(),
      resource_type: told.resourceType,
      ...(told.resourceVersion === undefined ? {} : { resource_version: told.resourceVersion }),
      event_type: told.eventType,
      summary: told.summary,
      resource: told.resource,
      links: [link(self, "self"), link(`${self}/resend`, "resend", "POST")]
    }
  }
}
