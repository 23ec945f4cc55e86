import type { ExpectedFact, Story } from "./SimulatedEvent.ts"
import { local, withOffset } from "./TossTime.ts"
import { type TossOptions, transmit } from "./TossTransmission.ts"
import type { World } from "./World.ts"

type Plot = (world: World, options: TossOptions) => Story

const told = (
  world: World,
  options: TossOptions,
  eventType: string,
  json: Readonly<Record<string, unknown>>,
  signed = false,
  facts: ReadonlyArray<ExpectedFact> = []
): Story => [
  {
    payments: [],
    paypalEvents: [],
    events: [transmit(world, options, { eventType, json: { eventType, ...json }, signed, facts })]
  }
]

/** Payouts and sellers are the only events that Toss signs; their `createdAt` has an offset. */
const entity = (world: World, type: "payout" | "seller", body: Readonly<Record<string, unknown>>) => ({
  createdAt: withOffset(world.later()),
  version: "2022-11-16",
  eventId: world.hex(32),
  entityType: type,
  entityBody: body
})

export const payout: Plot = (world, options) => {
  const id = `FPA_${world.upper(10)}`
  const value = world.int(10, 900) * 100
  const failed = world.chance(0.25)
  const at = withOffset(world.later())
  const json = entity(world, "payout", {
    id,
    refPayoutId: world.hex(12),
    destination: `seller-${world.hex(8)}`,
    scheduleType: "EXPRESS",
    payoutDate: at.slice(0, 10),
    amount: { currency: "KRW", value },
    transactionDescription: "정산대금",
    requestedAt: at,
    status: failed ? "FAILED" : "COMPLETED",
    error: failed ? { code: "INVALID_ACCOUNT", message: "계좌 정보가 올바르지 않습니다." } : null
  })
  return told(world, options, "payout.changed", json, true, [
    {
      endpoint: "toss",
      type: failed ? "billing.payout.failed.v1" : "billing.payout.completed.v1",
      effect_key: `payout:${id}:${failed ? "failed" : "completed"}`,
      payment_reference: id,
      object_id: id,
      amount: { value: String(value), currency: "KRW" },
      parent_reference: null
    }
  ])
}

export const seller: Plot = (world, options) =>
  told(
    world,
    options,
    "seller.changed",
    entity(world, "seller", {
      id: `seller-${world.hex(8)}`,
      refSellerId: world.hex(12),
      businessType: "CORPORATE",
      status: "APPROVED"
    }),
    true
  )

/** Unsigned, and no API tells whether it is true: no fact comes of it. */
export const billingDeleted: Plot = (world, options) =>
  told(world, options, "BILLING_DELETED", {
    createdAt: local(world.later()),
    data: { billingKey: world.mixed(44), reason: "CUSTOMER_REQUEST" }
  })

export const methodUpdated: Plot = (world, options) =>
  told(world, options, "METHOD_UPDATED", {
    createdAt: local(world.later()),
    data: { customerKey: world.mixed(20), methodKey: `m_${world.mixed(18)}`, status: "ENABLED" }
  })

export const customerStatusChanged: Plot = (world, options) =>
  told(world, options, "CUSTOMER_STATUS_CHANGED", {
    createdAt: local(world.later()),
    data: { customerKey: world.mixed(20), status: "CREATED", changedAt: withOffset(world.later()) }
  })

/** Overseas wallets: a Cancel object without the key of its payment. */
export const cancelStatusChanged: Plot = (world, options) =>
  told(world, options, "CANCEL_STATUS_CHANGED", {
    createdAt: local(world.later()),
    data: {
      transactionKey: world.hex(32).toUpperCase(),
      cancelReason: "buyer asked for it",
      canceledAt: withOffset(world.later()),
      cancelAmount: world.int(1, 500),
      refundableAmount: 0,
      cancelStatus: "DONE",
      cancelRequestId: world.hex(24)
    }
  })
