import { CURRENCIES, link, money, newId, type PayPalTold, seconds } from "./PayPalTold.ts"
import { decimal, type World } from "./World.ts"

interface Capture {
  readonly id: string
  readonly order: string
  readonly cents: number
  readonly currency: string
}

const newCapture = (world: World): Capture => ({
  id: newId(world),
  order: newId(world),
  cents: world.cents(900),
  currency: world.pick(CURRENCIES)
})

const OUTCOMES = {
  PENDING: { status: "PENDING", fact: "pending", summary: "Payment pending" },
  COMPLETED: { status: "COMPLETED", fact: "captured", summary: "Payment completed" },
  DENIED: { status: "DECLINED", fact: "denied", summary: "Payment denied" },
  DECLINED: { status: "DECLINED", fact: "denied", summary: "Payment declined" }
} as const

const told = (world: World, capture: Capture, outcome: keyof typeof OUTCOMES): PayPalTold => {
  const { fact, status, summary } = OUTCOMES[outcome]
  const value = decimal(capture.cents)
  const fee = Math.round(capture.cents * 0.0349) + 49
  const amount = money(value, capture.currency)
  const at = seconds(world.later())
  return {
    eventType: `PAYMENT.CAPTURE.${outcome}`,
    resourceType: "capture",
    resourceVersion: "2.0",
    summary: `${summary} for ${capture.currency} ${value}`,
    resource: {
      id: capture.id,
      amount,
      final_capture: true,
      seller_protection: {
        status: "ELIGIBLE",
        dispute_categories: ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"]
      },
      disbursement_mode: "INSTANT",
      ...(outcome === "PENDING" ? { status_details: { reason: "PENDING_REVIEW" } } : {}),
      ...(outcome === "COMPLETED"
        ? {
            seller_receivable_breakdown: {
              gross_amount: amount,
              paypal_fee: money(decimal(fee), capture.currency),
              net_amount: money(decimal(Math.max(0, capture.cents - fee)), capture.currency)
            }
          }
        : {}),
      invoice_id: `INV-${world.upper(10)}`,
      custom_id: world.hex(24),
      status,
      // PayPal leaves the order out of pending captures
      ...(outcome === "PENDING" ? {} : { supplementary_data: { related_ids: { order_id: capture.order } } }),
      create_time: at,
      update_time: at,
      links: [
        link(`/v2/payments/captures/${capture.id}`, "self"),
        link(`/v2/payments/captures/${capture.id}/refund`, "refund", "POST"),
        link(`/v2/checkout/orders/${capture.order}`, "up")
      ]
    },
    facts: () => [
      {
        type: `billing.payment.${fact}.v1`,
        effect_key: `capture:${capture.id}:${fact === "captured" ? "completed" : fact}`,
        payment_reference: capture.id,
        object_id: capture.id,
        amount: { value, currency: capture.currency },
        parent_reference: null
      }
    ]
  }
}

/** A refund is an object of its own; its `up` link names the capture. */
const givenBack = (
  world: World,
  capture: Capture,
  kind: "REFUNDED" | "REVERSED",
  cents: number,
  total: number
) => {
  const id = newId(world)
  const value = decimal(cents)
  const amount = money(value, capture.currency)
  const at = seconds(world.later())
  const back: PayPalTold = {
    eventType: `PAYMENT.CAPTURE.${kind}`,
    resourceType: "refund",
    resourceVersion: "2.0",
    summary: `A ${capture.currency} ${value} capture payment was ${kind.toLowerCase()}`,
    resource: {
      id,
      amount,
      note_to_payer: kind === "REFUNDED" ? "Returned in part" : "Payment reversed",
      seller_payable_breakdown: {
        gross_amount: amount,
        paypal_fee: money("0.00", capture.currency),
        net_amount: amount,
        total_refunded_amount: money(decimal(total), capture.currency)
      },
      invoice_id: `INV-${world.upper(10)}`,
      status: "COMPLETED",
      create_time: at,
      update_time: at,
      links: [link(`/v2/payments/refunds/${id}`, "self"), link(`/v2/payments/captures/${capture.id}`, "up")]
    },
    facts: () => [
      {
        type: kind === "REFUNDED" ? "billing.payment.refunded.v1" : "billing.payment.reversed.v1",
        effect_key: kind === "REFUNDED" ? `refund:${id}` : `reversal:${id}`,
        payment_reference: capture.id,
        object_id: id,
        amount: { value, currency: capture.currency },
        parent_reference: capture.id
      }
    ]
  }
  return back
}

export const completed = (world: World) => [told(world, newCapture(world), "COMPLETED")]

export const pendingThenCompleted = (world: World) => {
  const capture = newCapture(world)
  return [told(world, capture, "PENDING"), told(world, capture, "COMPLETED")]
}

export const pendingThenDenied = (world: World) => {
  const capture = newCapture(world)
  return [told(world, capture, "PENDING"), told(world, capture, "DENIED")]
}

export const declined = (world: World) => [told(world, newCapture(world), "DECLINED")]

/** Two partial refunds: each fact carries its own amount, not the running total. */
export const refundedInParts = (world: World) => {
  const capture = newCapture(world)
  const first = world.int(1, capture.cents - 1)
  const second = world.int(1, capture.cents - first)
  return [
    told(world, capture, "COMPLETED"),
    givenBack(world, capture, "REFUNDED", first, first),
    givenBack(world, capture, "REFUNDED", second, first + second)
  ]
}

export const reversed = (world: World) => {
  const capture = newCapture(world)
  return [
    told(world, capture, "COMPLETED"),
    givenBack(world, capture, "REVERSED", capture.cents, capture.cents)
  ]
}
