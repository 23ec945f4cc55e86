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

/**
 * The data of a record of `billing.webhook-outcomes.v1`. Endpoint and key are plain text here: the earlier gate's rows,
 * adopted by the first migration, know no rule for theirs.
 */
export const Outcome = Schema.Struct({
  endpoint: Schema.String.annotate({ description: "The receiver's name" }),
  provider: Schema.NullOr(Schema.String).annotate({
    description: "Kind of provider; null for a receiver that is configured no more",
    examples: ["paypal", "toss"]
  }),
  environment: Schema.NullOr(Environment),
  dedup_key: Schema.String.annotate({ description: "Identity of the provider's event at its endpoint" }),
  state: DuplicateState.annotate({ description: "Of the event, after this" }),
  provider_event_type: Schema.NullOr(Schema.String).annotate({
    description: "As the provider names it, where known"
  }),
  facts: Schema.Array(Schema.String)
    .check(Schema.isMaxLength(FACTS_NAMED))
    .annotate({
      description: `ce_id of the facts that this booked, oldest first; at most ${FACTS_NAMED} of them`
    }),
  facts_count: Schema.Int.annotate({ description: "How many facts this booked" }),
  note: Schema.NullOr(Schema.String).annotate({
    description: "Why there is no fact, or what else there is to say",
    examples: ["unmapped", "unconfirmable", "superseded", "effect_already_recorded", "reinterpreted"]
  }),
  error_code: Schema.NullOr(ErrorCode).annotate({ description: "Why the event failed or was parked" }),
  count: Schema.NullOr(Schema.Int).annotate({
    description: "Of duplicates: how many deliveries this record speaks for"
  })
}).annotate({ identifier: "Outcome", description: "What the gate decided about a delivery" })
export type Outcome = typeof Outcome.Encoded
