import type { FactType } from "../../domain/BillingFact.ts"
import { link, money, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

const KINDS = {
  CREATED: { status: "APPROVAL_PENDING", fact: "created" },
  ACTIVATED: { status: "ACTIVE", fact: "activated" },
  "RE-ACTIVATED": { status: "ACTIVE", fact: "activated" },
  UPDATED: { status: "ACTIVE", fact: "updated" },
  SUSPENDED: { status: "SUSPENDED", fact: "suspended" },
  CANCELLED: { status: "CANCELLED", fact: "cancelled" },
  EXPIRED: { status: "EXPIRED", fact: "expired" },
  "PAYMENT.FAILED": { status: "ACTIVE", fact: "payment_failed" }
} as const

type Kind = keyof typeof KINDS

const told = (world: World, id: string, plan: string, price: string, kind: Kind): PayPalTold => {
  const { fact, status } = KINDS[kind]
  const at = seconds(world.later())
  const type: FactType = `billing.subscription.${fact}.v1`
  return {
    eventType: `BILLING.SUBSCRIPTION.${kind}`,
    resourceType: "subscription",
    resourceVersion: "2.0",
    summary: `Subscription ${kind.toLowerCase()}`,
    resource: {
      id,
      plan_id: plan,
      quantity: "1",
      status,
      status_update_time: at,
      start_time: at,
      shipping_amount: money("0.00", "USD"),
      subscriber: {
        email_address: `buyer-${world.hex(8)}@example.com`,
        payer_id: world.upper(13),
        name: { given_name: "Test", surname: "Buyer" }
      },
      billing_info: {
        outstanding_balance: money(kind === "PAYMENT.FAILED" ? price : "0.00", "USD"),
        cycle_executions: [
          { tenure_type: "REGULAR", sequence: 1, cycles_completed: 1, cycles_remaining: 0, total_cycles: 0 }
        ],
        last_payment: { amount: money(price, "USD"), time: at },
        ...(kind === "PAYMENT.FAILED"
          ? { last_failed_payment: { amount: money(price, "USD"), time: at, reason_code: "PAYMENT_DENIED" } }
          : {}),
        failed_payments_count: kind === "PAYMENT.FAILED" ? 1 : 0
      },
      create_time: at,
      update_time: at,
      links: [
        link(`/v1/billing/subscriptions/${id}`, "self"),
        link(`/v1/billing/subscriptions/${id}/cancel`, "cancel", "POST")
      ]
    },
    facts: (eventId) => [
      {
        type,
        effect_key: `subscription:${id}:${eventId}`,
        payment_reference: id,
        object_id: id,
        amount: null, // what is paid comes as a sale
        parent_reference: null
      }
    ]
  }
}

const lives: readonly [ReadonlyArray<Kind>, ...Array<ReadonlyArray<Kind>>] = [
  ["CREATED", "ACTIVATED"],
  ["CREATED", "ACTIVATED", "UPDATED", "CANCELLED"],
  ["ACTIVATED", "PAYMENT.FAILED", "SUSPENDED", "RE-ACTIVATED"],
  ["ACTIVATED", "EXPIRED"]
]

export const life = (world: World) => {
  const id = `I-${world.upper(12)}`
  const plan = `P-${world.upper(24)}`
  const price = decimal(world.cents(60))
  return world.pick(lives).map((kind) => told(world, id, plan, price, kind))
}
