import { Schema } from "effect"
import { BillingFact } from "./BillingFact.ts"
import { DedupKey } from "./DedupKey.ts"
import { EndpointName, Environment } from "./Endpoint.ts"

const fact = BillingFact.fields

/**
 * The data of a record of `billing.events.v1`: one billing fact and where it came from. What happened is in `ce_type`.
 * Fields are only ever added, and only optional ones; a change of meaning is a new type.
 */
export const BillingEvent = Schema.Struct({
  endpoint: EndpointName.annotate({
    description: "The receiver's name: part of the record's key and of ce_source"
  }),
  // Not a closed list: a consumer must not break when the gate learns another provider.
  provider: Schema.String.check(Schema.isMaxLength(32)).annotate({
    description: "Kind of provider",
    examples: ["paypal", "toss"]
  }),
  environment: Environment.annotate({
    description: "Only `live` is money; `sandbox` and `simulated` must not be booked as revenue"
  }),
  dedup_key: DedupKey.annotate({
    description: "The provider's event at the gate that proved this fact first"
  }),
  effect_key: fact.effect_key.annotate({
    description: "Identity of the fact within its endpoint; ce_id is made of it, so a repeat has the same id"
  }),
  provider_event_type: fact.provider_event_type.annotate({ description: "As the provider names it" }),
  provider_event_id: fact.provider_event_id,
  payment_reference: fact.payment_reference.annotate({
    description: "What a payment's facts have in common: ce_subject, and with the endpoint the record's key"
  }),
  object_id: fact.object_id.annotate({
    description: "The provider's id of the object itself (a refund's own id)"
  }),
  parent_reference: fact.parent_reference,
  amount: fact.amount,
  provider_status: fact.provider_status,
  occurred_at: fact.occurred_at,
  confirmed_by: fact.confirmed_by.annotate({ description: "What proved the fact" })
}).annotate({
  identifier: "BillingEvent",
  description: "One billing fact, booked once per endpoint and effect key"
})
export type BillingEvent = typeof BillingEvent.Encoded
