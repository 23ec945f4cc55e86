import { CURRENCIES, link, money, newId, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

interface Authorization {
  readonly id: string
  readonly value: string
  readonly currency: string
}

const told = (
  world: World,
  { currency, id, value }: Authorization,
  kind: "CREATED" | "VOIDED"
): PayPalTold => {
  const at = seconds(world.later())
  return {
    eventType: `PAYMENT.AUTHORIZATION.${kind}`,
    resourceType: "authorization",
    resourceVersion: "2.0",
    summary: `A payment authorization was ${kind.toLowerCase()}`,
    resource: {
      id,
      amount: money(value, currency),
      status: kind,
      seller_protection: {
        status: "ELIGIBLE",
        dispute_categories: ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"]
      },
      invoice_id: `INV-${world.upper(10)}`,
      expiration_time: seconds(world.later() + 29 * 86_400_000),
      create_time: at,
      update_time: at,
      links: [
        link(`/v2/payments/authorizations/${id}`, "self"),
        link(`/v2/payments/authorizations/${id}/capture`, "capture", "POST"),
        link(`/v2/payments/authorizations/${id}/void`, "void", "POST"),
        link(`/v2/checkout/orders/${newId(world)}`, "up")
      ]
    },
    facts: () => [
      {
        type: kind === "CREATED" ? "billing.payment.authorized.v1" : "billing.payment.voided.v1",
        effect_key: `authorization:${id}:${kind.toLowerCase()}`,
        payment_reference: id,
        object_id: id,
        amount: { value, currency },
        parent_reference: null
      }
    ]
  }
}

const newAuthorization = (world: World): Authorization => ({
  id: newId(world),
  value: decimal(world.cents(400)),
  currency: world.pick(CURRENCIES)
})

export const created = (world: World) => [told(world, newAuthorization(world), "CREATED")]

export const createdThenVoided = (world: World) => {
  const authorization = newAuthorization(world)
  return [told(world, authorization, "CREATED"), told(world, authorization, "VOIDED")]
}
