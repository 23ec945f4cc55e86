import { link, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

const KINDS = {
  SUCCEEDED: { status: "SUCCESS", type: "billing.payout.completed.v1" },
  FAILED: { status: "FAILED", type: "billing.payout.failed.v1" },
  RETURNED: { status: "RETURNED", type: "billing.payout.failed.v1" },
  BLOCKED: { status: "BLOCKED", type: "billing.payout.failed.v1" },
  // on its way: tells of no money that moved
  HELD: { status: "ONHOLD", type: null },
  UNCLAIMED: { status: "UNCLAIMED", type: null }
} as const

type Kind = keyof typeof KINDS

const told = (world: World, id: string, kind: Kind, value: string): PayPalTold => {
  const { status, type } = KINDS[kind]
  const batch = world.upper(13)
  return {
    eventType: `PAYMENT.PAYOUTS-ITEM.${kind}`,
    resourceType: "payouts_item",
    summary: `A payout item has ${kind.toLowerCase()}`,
    resource: {
      payout_item_id: id,
      transaction_id: world.upper(17),
      transaction_status: status,
      payout_item_fee: { currency: "USD", value: "0.25" },
      payout_batch_id: batch,
      sender_batch_id: world.hex(12),
      payout_item: {
        recipient_type: "EMAIL",
        amount: { currency: "USD", value }, // a third shape, older than v2's `currency_code`
        note: "Thank you.",
        receiver: `receiver-${world.hex(8)}@example.com`,
        sender_item_id: world.hex(12)
      },
      time_processed: seconds(world.later()),
      links: [link(`/v1/payments/payouts-item/${id}`, "self"), link(`/v1/payments/payouts/${batch}`, "batch")]
    },
    facts: () =>
      type === null
        ? []
        : [
            {
              type,
              effect_key: `payout:${id}:${kind.toLowerCase()}`,
              payment_reference: id,
              object_id: id,
              amount: { value, currency: "USD" },
              parent_reference: null
            }
          ]
  }
}

const ends: readonly [ReadonlyArray<Kind>, ...Array<ReadonlyArray<Kind>>] = [
  ["SUCCEEDED"],
  ["HELD", "SUCCEEDED"],
  ["UNCLAIMED", "RETURNED"],
  ["FAILED"],
  ["BLOCKED"]
]

export const item = (world: World) => {
  const id = world.upper(13)
  const value = decimal(world.cents(150))
  return world.pick(ends).map((kind) => told(world, id, kind, value))
}
