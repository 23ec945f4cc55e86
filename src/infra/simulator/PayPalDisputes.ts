import { CURRENCIES, link, money, newId, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

interface Dispute {
  readonly id: string
  readonly transaction: string
  readonly value: string
  readonly currency: string
}

const KINDS = {
  CREATED: { status: "OPEN", type: "billing.dispute.opened.v1" },
  UPDATED: { status: "WAITING_FOR_SELLER_RESPONSE", type: "billing.dispute.updated.v1" },
  RESOLVED: { status: "RESOLVED", type: "billing.dispute.resolved.v1" }
} as const

const told = (world: World, dispute: Dispute, kind: keyof typeof KINDS): PayPalTold => {
  const at = seconds(world.later())
  const { status, type } = KINDS[kind]
  return {
    eventType: `CUSTOMER.DISPUTE.${kind}`,
    resourceType: "dispute",
    summary: `A dispute was ${kind.toLowerCase()} with case # ${dispute.id}`,
    resource: {
      dispute_id: dispute.id,
      create_time: at,
      update_time: at,
      disputed_transactions: [
        {
          buyer_transaction_id: newId(world),
          seller_transaction_id: dispute.transaction,
          create_time: at,
          transaction_status: "COMPLETED",
          gross_amount: money(dispute.value, dispute.currency),
          buyer: { name: "Test Buyer" },
          seller: {
            email: `seller-${world.hex(8)}@example.com`,
            merchant_id: world.upper(13),
            name: "Test Store"
          }
        }
      ],
      reason: "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
      status,
      dispute_amount: money(dispute.value, dispute.currency),
      ...(kind === "RESOLVED" ? { dispute_outcome: { outcome_code: "RESOLVED_SELLER_FAVOUR" } } : {}),
      dispute_life_cycle_stage: "INQUIRY",
      dispute_channel: "INTERNAL",
      messages: [{ posted_by: "BUYER", time_posted: at, content: "The parcel never came." }],
      links: [
        link(`/v1/customer/disputes/${dispute.id}`, "self"),
        link(`/v1/customer/disputes/${dispute.id}/send-message`, "send_message", "POST")
      ]
    },
    facts: (eventId) => [
      {
        type,
        effect_key: `dispute:${dispute.id}:${eventId}`,
        payment_reference: dispute.transaction,
        object_id: dispute.id,
        amount: { value: dispute.value, currency: dispute.currency },
        parent_reference: null
      }
    ]
  }
}

export const life = (world: World) => {
  const digits = (length: number) => world.text("0123456789", length)
  const dispute: Dispute = {
    id: `PP-${digits(3)}-${digits(3)}-${digits(3)}-${digits(3)}`,
    transaction: newId(world),
    value: decimal(world.cents(300)),
    currency: world.pick(CURRENCIES)
  }
  return (["CREATED", "UPDATED", "RESOLVED"] as const).map((kind) => told(world, dispute, kind))
}
