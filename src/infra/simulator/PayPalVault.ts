import { link, type PayPalTold, seconds } from "./PayPalTold.ts"
import type { World } from "./World.ts"

/** How the gate writes a customer's token: as a keyed hash. Without it no expectation can name these facts. */
export type Pseudonym = (token: string) => string

const told = (
  world: World,
  token: string,
  customer: string,
  kind: "CREATED" | "DELETED",
  pseudonym: Pseudonym
) => {
  const back: PayPalTold = {
    eventType: `VAULT.PAYMENT-TOKEN.${kind}`,
    resourceType: "payment_token",
    resourceVersion: "3.0",
    summary: `A payment token has been ${kind.toLowerCase()}.`,
    resource: {
      id: token,
      time_created: seconds(world.later()),
      customer: { id: customer },
      payment_source: { card: { brand: "VISA", last_digits: "1111", expiry: "2029-02" } },
      links: [
        link(`/v3/vault/payment-tokens/${token}`, "self"),
        link(`/v3/vault/payment-tokens/${token}`, "delete", "DELETE")
      ]
    },
    facts: (eventId) => [
      {
        type: kind === "CREATED" ? "billing.method.created.v1" : "billing.method.deleted.v1",
        effect_key: `method:${pseudonym(token)}:${eventId}`,
        payment_reference: pseudonym(token),
        object_id: pseudonym(token),
        amount: null,
        parent_reference: null
      }
    ]
  }
  return back
}

export const life = (pseudonym: Pseudonym) => (world: World) => {
  const token = world.text("0123456789abcdefghijklmnopqrstuvwxyz", 8)
  const customer = `customer_${world.text("0123456789", 10)}`
  return [
    told(world, token, customer, "CREATED", pseudonym),
    told(world, token, customer, "DELETED", pseudonym)
  ]
}
