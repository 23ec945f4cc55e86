import { Schema } from "effect"
import { Environment } from "./Endpoint.ts"
import { ErrorCode } from "./ErrorCode.ts"
import { DuplicateState } from "./GateEvent.ts"

/** What the gate decided about a delivery, as it stands in `ce_type`. */
export const OutcomeType = Schema.Literals([
  "oncegate.webhook.processed.v1",
  "oncegate.webhook.duplicate.v1",
  "oncegate.webhook.failed.v1",
  "oncegate.webhook.parked.v1",
  "oncegate.webhook.conflict.v1",
  "oncegate.webhook.quarantined.v1",
  "oncegate.webhook.unconfirmed.v1",
  "oncegate.webhook.redriven.v1",
  "oncegate.webhook.dismissed.v1"
])
export type OutcomeType = typeof OutcomeType.Type

/** An event may book any number of facts; a record names this many, so that none outgrows 16 KiB. */
export const FACTS_NAMED = 256

/** UUID of a fact: its `ce_id`. */
const FactId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u)
)

/**
 * The data of a record of `billing.webhook-outcomes.v1`. Endpoint and key are plain text here: the earlier gate's rows,
 * adopted by the first migration, know no rule for theirs. What will grow is no closed list (docs/contract.md).
 */
export const Outcome = Schema.Struct({
  endpoint: Schema.String.annotate({
    description: "Name of the receiver: part of the record's key and of ce_source",
    examples: ["paypal"]
  }),
  provider: Schema.NullOr(Schema.String).annotate({
    description: "Kind of provider; null for a receiver that is configured no more. New ones may come",
    examples: ["paypal", "toss"]
  }),
  environment: Schema.NullOr(Environment).annotate({
    description: "Of the receiver: only `live` is money; null for a receiver that is configured no more",
    examples: ["live"]
  }),
  dedup_key: Schema.String.annotate({
    description:
      "Identity of the provider's event at its endpoint: ce_subject, and with the endpoint the record's key",
    examples: ["ev_WH-8LK95742PA180273D-5GR38264TE1094652"]
  }),
  state: DuplicateState.annotate({
    description:
      "Of the event, after this: `done` is final; `processing`, `retry_scheduled` and `unconfirmed` move by themselves; `parked`, `quarantined` and `conflict` wait for a person",
    examples: ["done"]
  }),
  provider_event_type: Schema.NullOr(Schema.String).annotate({
    description:
      "Type of the provider's event, as the provider names it; null where not known or not told again",
    examples: ["PAYMENT.CAPTURE.COMPLETED"]
  }),
  facts: Schema.Array(FactId)
    .check(Schema.isMaxLength(FACTS_NAMED))
    .annotate({
      description: `ce_id of the facts in billing.events.v1 that this booked, oldest first; at most ${FACTS_NAMED} of them`,
      examples: [["8d3a3ad3-bd72-5d50-8c5f-4f1d5bd10d0c"]]
    }),
  facts_count: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).annotate({
    description: "How many facts this booked, named in `facts` or not",
    examples: [1]
  }),
  note: Schema.NullOr(Schema.String).annotate({
    description:
      "Why there is no fact, or what else there is to say: `unmapped` (no fact is made of this type), `unconfirmable` (unsigned, and no API to ask), `superseded` (a later event tells it), `effect_already_recorded` (booked by another event), `reinterpreted` (booked later, by a person). New words may come",
    examples: ["unmapped", "unconfirmable", "superseded", "effect_already_recorded", "reinterpreted"]
  }),
  // The gate knows a closed list; a record may come to know more.
  error_code: Schema.NullOr(Schema.String.check(Schema.isMaxLength(64))).annotate({
    description: "Why the event failed or was parked; null where it did not. New codes may come",
    examples: [...ErrorCode.literals]
  }),
  count: Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))).annotate({
    description: "Of duplicates: how many deliveries this record speaks for; null for all else",
    examples: [2]
  })
}).annotate({ identifier: "Outcome", description: "What the gate decided about a delivery" })
export type Outcome = typeof Outcome.Encoded
