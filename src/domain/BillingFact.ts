import { Schema } from "effect"
import { EffectKey } from "./EffectKey.ts"
import { canonicalValue, Money } from "./Money.ts"

/** Every kind of billing fact, as it stands in `ce_type`. */
export const FactType = Schema.Literals([
  "billing.payment.authorized.v1",
  "billing.payment.voided.v1",
  "billing.payment.pending.v1",
  "billing.payment.captured.v1",
  "billing.payment.denied.v1",
  "billing.payment.expired.v1",
  "billing.payment.refunded.v1",
  "billing.payment.reversed.v1",
  "billing.deposit.awaiting.v1",
  "billing.deposit.received.v1",
  "billing.deposit.withdrawn.v1",
  "billing.subscription.created.v1",
  "billing.subscription.activated.v1",
  "billing.subscription.updated.v1",
  "billing.subscription.suspended.v1",
  "billing.subscription.cancelled.v1",
  "billing.subscription.expired.v1",
  "billing.subscription.payment_failed.v1",
  "billing.dispute.opened.v1",
  "billing.dispute.updated.v1",
  "billing.dispute.resolved.v1",
  "billing.payout.completed.v1",
  "billing.payout.failed.v1",
  "billing.method.created.v1",
  "billing.method.deleted.v1"
])
export type FactType = typeof FactType.Type

/** Short provider text that ends up in a record: bounded, so that no record outgrows 16 KiB, and without control characters. */
const Text = Schema.String.check(
  Schema.isPattern(/^[^\p{Cc}\p{Cs}]{0,255}$/u, {
    // The same in words that validators of every language know: Python's have no \p, and Go's no \u.
    toJsonSchema: () => [{ pattern: "^[^\\x00-\\x1f\\x7f-\\x9f]*$", maxLength: 255 }, true]
  })
)

/** One billing fact as an adapter reads it from a provider's event; the gate adds endpoint and dedup key. */
export const BillingFact = Schema.Struct({
  type: FactType,
  effect_key: EffectKey,
  provider_event_type: Text,
  provider_event_id: Schema.NullOr(Text),
  payment_reference: Text,
  object_id: Text,
  /** A refund's or reversal's capture. */
  parent_reference: Schema.NullOr(Text),
  amount: Schema.NullOr(Money),
  provider_status: Schema.NullOr(Text),
  /** ISO 8601 in UTC, or null where the provider's own time makes no sense. */
  occurred_at: Schema.NullOr(Text),
  confirmed_by: Schema.Literals(["signature", "requery", "signature+requery"])
})
export type BillingFact = typeof BillingFact.Type

/** What must agree when a fact with the same effect key comes again: amount, currency and parent. */
export const digestText = (fact: BillingFact) =>
  [
    fact.amount === null ? "" : canonicalValue(fact.amount.value),
    fact.amount?.currency ?? "",
    fact.parent_reference ?? ""
  ].join("|")
