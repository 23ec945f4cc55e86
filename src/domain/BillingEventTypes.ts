import { BillingEvent } from "./BillingEvent.ts"
import type { FactType } from "./BillingFact.ts"
import { DedupKey } from "./DedupKey.ts"
import { EffectKey } from "./EffectKey.ts"
import { EndpointName } from "./Endpoint.ts"

type Example = typeof BillingEvent.Type

const EVENT = "WH-8LK95742PA180273D-5GR38264TE1094652"

/** What an example says of its own; the rest is the same for all of one provider. */
type Telling = readonly [
  effectKey: string,
  eventType: string,
  status: string | null,
  own: Pick<Example, "payment_reference" | "object_id"> & Partial<Example>
]

const paypal = (...[effectKey, eventType, status, own]: Telling): Example => ({
  endpoint: EndpointName.make("paypal"),
  provider: "paypal",
  environment: "live",
  dedup_key: DedupKey.make(`ev_${EVENT}`),
  effect_key: EffectKey.make(effectKey),
  provider_event_type: eventType,
  provider_event_id: EVENT,
  parent_reference: null,
  amount: null,
  provider_status: status,
  occurred_at: "2026-03-04T05:06:07.000Z",
  confirmed_by: "signature",
  ...own
})

const toss = (...[effectKey, eventType, status, own]: Telling): Example => ({
  ...paypal(effectKey, eventType, status, own),
  endpoint: EndpointName.make("toss"),
  provider: "toss",
  dedup_key: DedupKey.make("tx_whtrans_a01k7vw2jqz1m4t"),
  provider_event_id: null,
  confirmed_by: "requery"
})

const dollars = { amount: { value: "42.50", currency: "USD" } }
const won = { amount: { value: "15000", currency: "KRW" } }
const about = (id: string) => ({ payment_reference: id, object_id: id })
const capture = about("3C679366HH908993F")
const deposit = { ...about("tgen_20260304140607AbCd1"), ...won }

const dispute = (word: string, status: string) =>
  paypal(`dispute:PP-D-27803:${EVENT}`, `CUSTOMER.DISPUTE.${word}`, status, {
    ...capture,
    object_id: "PP-D-27803",
    ...dollars
  })
const subscription = (word: string, status: string) =>
  paypal(
    `subscription:I-BW452GLLEP1G:${EVENT}`,
    `BILLING.SUBSCRIPTION.${word}`,
    status,
    about("I-BW452GLLEP1G")
  )
const PSEUDONYM = "5f0a6cf4a1b7d3e29c8a4d6b7e1f20931c5d8e7f60a9b8c7d6e5f4a3b2c1d0e9"
const method = (word: string) =>
  paypal(`method:${PSEUDONYM}:${EVENT}`, `VAULT.PAYMENT-TOKEN.${word}`, null, about(PSEUDONYM))

/** What each type says, and a record of it. */
const TYPES: { readonly [Type in FactType]: readonly [says: string, example: Example] } = {
  "billing.payment.authorized.v1": [
    "Money was reserved with the payer's bank. Nothing was taken yet.",
    paypal("authorization:0AW2184448108334S:created", "PAYMENT.AUTHORIZATION.CREATED", "CREATED", {
      ...about("0AW2184448108334S"),
      ...dollars
    })
  ],
  "billing.payment.voided.v1": [
    "A reservation was given up. `amount` where the provider repeats it.",
    paypal("authorization:0AW2184448108334S:voided", "PAYMENT.AUTHORIZATION.VOIDED", "VOIDED", {
      ...about("0AW2184448108334S"),
      ...dollars
    })
  ],
  "billing.payment.pending.v1": [
    "A payment was taken and is held: not revenue until it is captured.",
    paypal("capture:3C679366HH908993F:pending", "PAYMENT.CAPTURE.PENDING", "PENDING", {
      ...capture,
      ...dollars
    })
  ],
  "billing.payment.captured.v1": [
    "Money came in: `amount`, before the provider's fees.",
    paypal("capture:3C679366HH908993F:completed", "PAYMENT.CAPTURE.COMPLETED", "COMPLETED", {
      ...capture,
      ...dollars
    })
  ],
  "billing.payment.denied.v1": [
    "A payment was refused and will not come. `amount` where the provider names it.",
    paypal("capture:3C679366HH908993F:denied", "PAYMENT.CAPTURE.DENIED", "DECLINED", {
      ...capture,
      ...dollars
    })
  ],
  "billing.payment.expired.v1": [
    "A payment was not made in time and will not come.",
    toss("payment:tgen_20260304140607AbCd1:expired", "PAYMENT_STATUS_CHANGED", "EXPIRED", {
      ...deposit,
      occurred_at: null
    })
  ],
  "billing.payment.refunded.v1": [
    "Money went back to the payer: `amount`, of this refund alone and without a sign. `object_id` is the refund, `parent_reference` what it refunds.",
    paypal("refund:1JU08902781691411", "PAYMENT.CAPTURE.REFUNDED", "COMPLETED", {
      ...capture,
      object_id: "1JU08902781691411",
      parent_reference: "3C679366HH908993F",
      amount: { value: "10.00", currency: "USD" }
    })
  ],
  "billing.payment.reversed.v1": [
    "The provider took money back (a chargeback, say): `amount`, without a sign. `parent_reference` is the capture.",
    paypal("reversal:7GX62159LS914553L", "PAYMENT.CAPTURE.REVERSED", "COMPLETED", {
      ...capture,
      object_id: "7GX62159LS914553L",
      parent_reference: "3C679366HH908993F",
      ...dollars
    })
  ],
  "billing.deposit.awaiting.v1": [
    "A virtual account was given out and waits for a transfer of `amount`. Nothing came in yet.",
    toss(
      "deposit:tgen_20260304140607AbCd1:awaiting",
      "PAYMENT_STATUS_CHANGED",
      "WAITING_FOR_DEPOSIT",
      deposit
    )
  ],
  "billing.deposit.received.v1": [
    "Money came in by transfer to a virtual account: `amount`.",
    toss(
      "deposit:tgen_20260304140607AbCd1:received:2026-03-04T14:06:07+09:00",
      "DEPOSIT_CALLBACK",
      "DONE",
      deposit
    )
  ],
  "billing.deposit.withdrawn.v1": [
    "A transfer that was received was taken back by the bank, and the account waits again: `amount` is gone.",
    toss(
      "deposit:tgen_20260304140607AbCd1:withdrawn:9C62B18EEF0DE3EB7F4422EB6D14BC6E",
      "DEPOSIT_CALLBACK",
      "WAITING_FOR_DEPOSIT",
      { ...deposit, occurred_at: null }
    )
  ],
  "billing.subscription.created.v1": [
    "A subscription was made. Its money comes as captured payments.",
    subscription("CREATED", "APPROVAL_PENDING")
  ],
  "billing.subscription.activated.v1": [
    "A subscription began, or began again.",
    subscription("ACTIVATED", "ACTIVE")
  ],
  "billing.subscription.updated.v1": [
    "Something about a subscription changed; the provider's API says what.",
    subscription("UPDATED", "ACTIVE")
  ],
  "billing.subscription.suspended.v1": [
    "A subscription rests; it may be activated again.",
    subscription("SUSPENDED", "SUSPENDED")
  ],
  "billing.subscription.cancelled.v1": [
    "A subscription was ended by one of the two sides.",
    subscription("CANCELLED", "CANCELLED")
  ],
  "billing.subscription.expired.v1": [
    "A subscription came to its planned end.",
    subscription("EXPIRED", "EXPIRED")
  ],
  "billing.subscription.payment_failed.v1": [
    "A payment of a subscription failed; no money moved.",
    subscription("PAYMENT.FAILED", "ACTIVE")
  ],
  "billing.dispute.opened.v1": [
    "A payer disputes a payment: `amount` is what they claim, and no money moved by this. `object_id` is the dispute.",
    dispute("CREATED", "OPEN")
  ],
  "billing.dispute.updated.v1": [
    "A dispute went on; no money moved by this.",
    dispute("UPDATED", "WAITING_FOR_SELLER_RESPONSE")
  ],
  "billing.dispute.resolved.v1": [
    "A dispute was decided; money that goes back comes as a reversed or refunded payment.",
    dispute("RESOLVED", "RESOLVED")
  ],
  "billing.payout.completed.v1": [
    "Money went out to the receiver of a payout: `amount`.",
    paypal("payout:8AELMXH8UB2P8:succeeded", "PAYMENT.PAYOUTS-ITEM.SUCCEEDED", "SUCCESS", {
      ...about("8AELMXH8UB2P8"),
      ...dollars
    })
  ],
  "billing.payout.failed.v1": [
    "A payout of `amount` did not reach its receiver, or came back. `provider_status` says how.",
    paypal("payout:8AELMXH8UB2P8:returned", "PAYMENT.PAYOUTS-ITEM.RETURNED", "RETURNED", {
      ...about("8AELMXH8UB2P8"),
      ...dollars
    })
  ],
  "billing.method.created.v1": [
    "A customer's means of payment was saved. `object_id` is a pseudonym (HMAC) of the provider's token.",
    method("CREATED")
  ],
  "billing.method.deleted.v1": [
    "A saved means of payment was removed. `object_id` is the pseudonym under which it was created.",
    method("DELETED")
  ]
}

/** The schema of each type of `billing.events.v1`: one shape, and what it means where it stands under this type. */
export const billingEventTypes = Object.entries(TYPES).map(([type, [description, example]]) => ({
  type: type as FactType,
  schema: BillingEvent.annotate({ identifier: type, title: type, description, examples: [example] })
}))
