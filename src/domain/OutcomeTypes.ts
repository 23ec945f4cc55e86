import { Outcome, type OutcomeType } from "./Outcome.ts"

type Example = typeof Outcome.Type

const outcome = (own: Partial<Example>): Example => ({
  endpoint: "paypal",
  provider: "paypal",
  environment: "live",
  dedup_key: "ev_WH-8LK95742PA180273D-5GR38264TE1094652",
  state: "done",
  provider_event_type: null,
  facts: [],
  facts_count: 0,
  note: null,
  error_code: null,
  count: null,
  ...own
})

/** What each type says, and a record of it. */
const TYPES: { readonly [Type in OutcomeType]: readonly [says: string, example: Example] } = {
  "oncegate.webhook.processed.v1": [
    "The event was processed, and its facts, if any, booked. Again, with note `reinterpreted`, where a person had facts booked later.",
    outcome({
      provider_event_type: "PAYMENT.CAPTURE.COMPLETED",
      facts: ["8d3a3ad3-bd72-5d50-8c5f-4f1d5bd10d0c"],
      facts_count: 1
    })
  ],
  "oncegate.webhook.duplicate.v1": [
    "The provider delivered the event again, `count` times; nothing was booked by it.",
    outcome({ state: "done", count: 2 })
  ],
  "oncegate.webhook.failed.v1": [
    "An attempt failed; the next one comes by itself.",
    outcome({ state: "retry_scheduled", error_code: "provider_unavailable" })
  ],
  "oncegate.webhook.parked.v1": [
    "The event stands still until a person acts.",
    outcome({
      state: "parked",
      provider_event_type: "PAYMENT.CAPTURE.COMPLETED",
      error_code: "uninterpretable"
    })
  ],
  "oncegate.webhook.conflict.v1": [
    "Another body came under a key already taken. It has a key of its own, and stands still until a person acts.",
    outcome({
      dedup_key: "ev_WH-8LK95742PA180273D-5GR38264TE1094652~0f1e2d3c4b5a6978",
      state: "conflict",
      error_code: "payload_mismatch"
    })
  ],
  "oncegate.webhook.quarantined.v1": [
    "A genuine delivery whose body is no JSON object; it stands still until a person acts.",
    outcome({
      dedup_key: "raw_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      state: "quarantined",
      error_code: "not_json_object"
    })
  ],
  "oncegate.webhook.unconfirmed.v1": [
    "The provider's API does not know what an unsigned event tells; it is asked again for 30 days.",
    outcome({
      endpoint: "toss",
      provider: "toss",
      dedup_key: "tx_whtrans_a01k7vw2jqz1m4t",
      state: "unconfirmed",
      error_code: "unconfirmed"
    })
  ],
  "oncegate.webhook.redriven.v1": [
    "A person had the event processed again.",
    outcome({ state: "retry_scheduled" })
  ],
  "oncegate.webhook.dismissed.v1": [
    "A person ended the event for good, without booking anything.",
    outcome({})
  ]
}

/** The schema of each type of `billing.webhook-outcomes.v1`: one shape, and what it means under this type. */
export const outcomeTypes = Object.entries(TYPES).map(([type, [description, example]]) => ({
  type: type as OutcomeType,
  schema: Outcome.annotate({ identifier: type, title: type, description, examples: [example] })
}))
