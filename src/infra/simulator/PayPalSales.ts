import { CURRENCIES, link, newId, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

interface Sale {
  readonly id: string
  readonly parent: string
  readonly cents: number
  readonly currency: string
}

const newSale = (world: World): Sale => ({
  id: newId(world),
  parent: `PAY-${world.upper(24)}`,
  cents: world.cents(200),
  currency: world.pick(CURRENCIES)
})

/** v1 of the API: `total`, `currency`. */
const amountV1 = (value: string, currency: string) => ({
  total: value,
  currency,
  details: { subtotal: value }
})

const OUTCOMES = {
  PENDING: { fact: "pending", key: "pending" },
  COMPLETED: { fact: "captured", key: "completed" },
  DENIED: { fact: "denied", key: "denied" }
} as const

const told = (world: World, sale: Sale, outcome: keyof typeof OUTCOMES): PayPalTold => {
  const { fact, key } = OUTCOMES[outcome]
  const value = decimal(sale.cents)
  const at = seconds(world.later())
  return {
    eventType: `PAYMENT.SALE.${outcome}`,
    resourceType: "sale",
    summary: `Payment ${outcome.toLowerCase()} for ${sale.currency} ${value}`,
    resource: {
      id: sale.id,
      amount: amountV1(value, sale.currency),
      payment_mode: "INSTANT_TRANSFER",
      state: outcome.toLowerCase(),
      ...(outcome === "PENDING" ? { reason_code: "PAYMENT_REVIEW" } : {}),
      protection_eligibility: "ELIGIBLE",
      protection_eligibility_type: "ITEM_NOT_RECEIVED_ELIGIBLE,UNAUTHORIZED_PAYMENT_ELIGIBLE",
      transaction_fee: { value: decimal(Math.round(sale.cents * 0.029) + 30), currency: sale.currency },
      parent_payment: sale.parent,
      invoice_number: world.hex(16),
      create_time: at,
      update_time: at,
      links: [
        link(`/v1/payments/sale/${sale.id}`, "self"),
        link(`/v1/payments/sale/${sale.id}/refund`, "refund", "POST"),
        link(`/v1/payments/payment/${sale.parent}`, "parent_payment")
      ]
    },
    facts: () => [
      {
        type: `billing.payment.${fact}.v1`,
        effect_key: `capture:${sale.id}:${key}`,
        payment_reference: sale.id,
        object_id: sale.id,
        amount: { value, currency: sale.currency },
        parent_reference: null
      }
    ]
  }
}

/** A v1 refund names its sale in `sale_id`. */
const refund = (world: World, sale: Sale, cents: number): PayPalTold => {
  const id = newId(world)
  const value = decimal(cents)
  const sign = world.chance(0.5) ? "-" : "" // PayPal writes some with a minus; the amount that went back is the same
  const at = seconds(world.later())
  return {
    eventType: "PAYMENT.SALE.REFUNDED",
    resourceType: "refund",
    summary: `A ${sale.currency} ${value} sale payment was refunded`,
    resource: {
      id,
      sale_id: sale.id,
      amount: amountV1(`${sign}${value}`, sale.currency),
      state: "completed",
      parent_payment: sale.parent,
      create_time: at,
      update_time: at,
      links: [
        link(`/v1/payments/refund/${id}`, "self"),
        link(`/v1/payments/payment/${sale.parent}`, "parent_payment"),
        link(`/v1/payments/sale/${sale.id}`, "sale")
      ]
    },
    facts: () => [
      {
        type: "billing.payment.refunded.v1",
        effect_key: `refund:${id}`,
        payment_reference: sale.id,
        object_id: id,
        amount: { value, currency: sale.currency },
        parent_reference: sale.id
      }
    ]
  }
}

export const completed = (world: World) => [told(world, newSale(world), "COMPLETED")]

export const pendingThenDenied = (world: World) => {
  const sale = newSale(world)
  return [told(world, sale, "PENDING"), told(world, sale, "DENIED")]
}

export const refunded = (world: World) => {
  const sale = newSale(world)
  return [told(world, sale, "COMPLETED"), refund(world, sale, world.int(1, sale.cents))]
}
