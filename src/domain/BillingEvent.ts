import { Schema } from "effect"
import { BillingFact } from "./BillingFact.ts"
import { DedupKey } from "./DedupKey.ts"
import { EffectKey } from "./EffectKey.ts"
import { EndpointName, Environment } from "./Endpoint.ts"
import { UtcTime } from "./UtcTime.ts"

const fact = BillingFact.fields

/**
 * The data of a record of `billing.events.v1`: one billing fact and where it came from. What happened is in `ce_type`.
 * Fields are only ever added, and only optional ones; a change of meaning is a new type. What will grow is no closed
 * list here: a consumer must not break when the gate learns another word (docs/contract.md).
 */
export const BillingEvent = Schema.Struct({
  endpoint: EndpointName.annotate({
    description: "Name of the receiver, as the gate is configured: part of the record's key and of ce_source",
    examples: [EndpointName.make("paypal")]
  }),
  provider: Schema.String.check(Schema.isMaxLength(32)).annotate({
    description: "Kind of provider. New ones may come",
    examples: ["paypal", "toss"]
  }),
  environment: Environment.annotate({
    description: "Only `live` is money; `sandbox` and `simulated` must not be booked as revenue",
    examples: ["live"]
  }),
  dedup_key: DedupKey.annotate({
    description:
      "The provider's event at the gate that proved this fact first: the key of its records in billing.webhook-outcomes.v1",
    examples: [DedupKey.make("ev_WH-8LK95742PA180273D-5GR38264TE1094652")]
  }),
  effect_key: EffectKey.annotate({
    description: "Identity of the fact within its endpoint; ce_id is made of it, so a repeat has the same id",
    examples: [EffectKey.make("capture:3C679366HH908993F:completed")]
  }),
  provider_event_type: fact.provider_event_type.annotate({
    description:
      "Type of the provider's event, as the provider names it; not to be used to tell facts apart: ce_type is",
    examples: ["PAYMENT.CAPTURE.COMPLETED", "PAYMENT_STATUS_CHANGED"]
  }),
  provider_event_id: fact.provider_event_id.annotate({
    description:
      "Id of the provider's event, for questions to its support; null where the provider gives none",
    examples: ["WH-8LK95742PA180273D-5GR38264TE1094652"]
  }),
  payment_reference: fact.payment_reference.annotate({
    description: "What a payment's facts have in common: ce_subject, and with the endpoint the record's key",
    examples: ["3C679366HH908993F"]
  }),
  object_id: fact.object_id.annotate({
    description: "The provider's id of the object itself (a refund's own id)",
    examples: ["3C679366HH908993F"]
  }),
  parent_reference: fact.parent_reference.annotate({
    description:
      "The provider's id of what the object belongs to: of a refund or reversal, its capture or payment; null for all else",
    examples: ["3C679366HH908993F"]
  }),
  amount: fact.amount.annotate({
    description:
      "Amount of this fact alone: a refund's is that refund's, never a total. Its direction is told by ce_type, not by a sign. Null where the event names none",
    examples: [{ value: "42.50", currency: "USD" }]
  }),
  provider_status: fact.provider_status.annotate({
    description:
      "State of the object as the provider names it, when the fact was read; null where there is none. For people: ce_type says what happened",
    examples: ["COMPLETED", "DONE"]
  }),
  occurred_at: Schema.NullOr(UtcTime).annotate({
    description:
      "When it happened by the provider's clock: ISO 8601, UTC. Null where the provider names no time or one that makes no sense. Records are not ordered by it",
    examples: ["2026-03-04T05:06:07.000Z"]
  }),
  // The log knows three words for this; a record may come to know more.
  confirmed_by: Schema.String.check(Schema.isMaxLength(64)).annotate({
    description:
      "What proved the fact: the signature of the delivery, the provider's API (`requery`), or both. New words may come",
    examples: ["signature", "requery", "signature+requery"]
  })
}).annotate({
  identifier: "BillingEvent",
  description: "One billing fact, booked once per endpoint and effect key"
})
export type BillingEvent = typeof BillingEvent.Encoded
