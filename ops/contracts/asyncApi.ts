import { BillingEvent } from "../../src/domain/BillingEvent.ts"
import { billingEventTypes } from "../../src/domain/BillingEventTypes.ts"
import { Outcome } from "../../src/domain/Outcome.ts"
import { outcomeTypes } from "../../src/domain/OutcomeTypes.ts"
import { dataschemaOf, RecordHeaders } from "../../src/domain/RecordHeaders.ts"
import { namesOf, wanted } from "../../src/infra/kafka/Topics.ts"
import { bodyOf, type JsonSchema } from "./jsonSchemas.ts"

const BINDING = { bindingVersion: "0.5.0" }

interface Topic {
  readonly id: string
  readonly name: "events" | "outcomes"
  readonly title: string
  readonly says: string
  readonly payload: string
  readonly shape: JsonSchema
  readonly key: JsonSchema
  readonly types: ReadonlyArray<{
    readonly type: string
    readonly schema: typeof BillingEvent | typeof Outcome
  }>
}

const TOPICS: ReadonlyArray<Topic> = [
  {
    id: "billingEvents",
    name: "events",
    title: "Billing facts",
    says: "One record is one billing fact. Kept for ever.\n\n**Order**: within a key, which is a payment at its endpoint. If delivery A was answered `processed` before B was sent, A's facts come before B's. That is not business time: a refund may come before its capture when the capture failed first. Between keys there is no order.",
    payload: "BillingEvent",
    shape: bodyOf(BillingEvent),
    key: {
      type: "string",
      pattern: "^[a-z][a-z0-9_]{0,31}/",
      description: "`{endpoint}/{payment_reference}`",
      examples: ["paypal/3C679366HH908993F"]
    },
    types: billingEventTypes
  },
  {
    id: "webhookOutcomes",
    name: "outcomes",
    title: "Outcomes of webhooks",
    says: "One record is what the gate decided about a delivery. Kept for 30 days. For watching and questions; nothing is to be booked from it.\n\n**Order**: within a key, which is a provider's event at its endpoint.",
    payload: "Outcome",
    shape: bodyOf(Outcome),
    key: {
      type: "string",
      description: "`{endpoint}/{dedup_key}`",
      examples: ["paypal/ev_WH-8LK95742PA180273D-5GR38264TE1094652"]
    },
    types: outcomeTypes
  }
]

const INFO = `Billing facts out of payment webhooks, each exactly once, for whoever books them.

**Read with \`isolation.level=read_committed\`.** Records are published in transactions; readers of uncommitted records see some that never happened.

**Drop repeats by \`ce_id\`.** A reader of committed records sees each record once, but replays and restores carry the same ids again. Keep the ids you handled in the same database transaction as what you did about them.

**Pass over what you do not know**: types, fields, headers, and words of fields that are no closed list. Within a type, fields are only ever added, and only optional ones (FULL_TRANSITIVE); a change of meaning is a new type, published beside the old one.

**Partitions** are chosen by murmur2 of the key, as Java's clients do; their number does not change.

The JSON Schema (2020-12) of each type stands in \`schemas/{ce_type}.json\` beside this file; its \`$id\` is what \`ce_dataschema\` says. A gate serves it at \`/schemas/{ce_type}\` of its admin listener.`

const refTo = (...path: ReadonlyArray<string>) => ({ $ref: `#/${path.join("/")}` })

const headersOf = (type: string): JsonSchema => ({
  allOf: [
    refTo("components", "schemas", "RecordHeaders"),
    {
      type: "object",
      properties: {
        ce_type: { type: "string", const: type },
        ce_dataschema: { type: "string", const: dataschemaOf(type) }
      }
    }
  ]
})

/** What stands in the log of an endpoint as headers, were its record the example of this type. */
const exampleHeaders = (type: string, data: { readonly endpoint: string }, subject: string) => ({
  ce_specversion: "1.0",
  ce_id: "4d5a2eff-52fc-594c-949c-64de5905f94f",
  ce_source: `/oncegate/${data.endpoint}`,
  ce_type: type,
  ce_dataschema: dataschemaOf(type),
  ce_subject: subject,
  ce_time: "2026-03-04T05:06:08.123Z",
  ce_sequence: "00000000000000004711",
  "content-type": "application/json"
})

const messagesOf = ({ key, payload, types }: Topic) =>
  types.map(({ schema, type }) => {
    const { description, examples } = bodyOf(schema) as {
      readonly description: string
      readonly examples: readonly [{ readonly endpoint: string; readonly [field: string]: unknown }]
    }
    const [data] = examples
    const subject = String(payload === "BillingEvent" ? data.payment_reference : data.dedup_key)
    return [
      type,
      {
        name: type,
        title: type,
        summary: description,
        contentType: "application/json",
        headers: headersOf(type),
        payload: refTo("components", "schemas", payload),
        bindings: { kafka: { key, ...BINDING } },
        examples: [{ name: type, headers: exampleHeaders(type, data, subject), payload: data }]
      }
    ] as const
  })

const channelOf = (topic: Topic) => {
  const settings = wanted(namesOf(""), 3).find((one) => one.topic === namesOf("")[topic.name])!
  const { "cleanup.policy": cleanup, "retention.ms": retention, ...config } = settings.config
  return [
    topic.id,
    {
      address: namesOf("{prefix}")[topic.name],
      title: topic.title,
      description: topic.says,
      parameters: { prefix: refTo("components", "parameters", "prefix") },
      messages: Object.fromEntries(
        topic.types.map(({ type }) => [type, refTo("components", "messages", type)])
      ),
      bindings: {
        kafka: {
          partitions: settings.partitions,
          replicas: settings.replication,
          topicConfiguration: {
            "cleanup.policy": [cleanup],
            "retention.ms": Number(retention),
            ...config
          },
          ...BINDING
        }
      }
    }
  ] as const
}

/** The AsyncAPI document of both topics. */
export const asyncApi = (version: string) => ({
  asyncapi: "3.0.0",
  id: "urn:oncegate:billing",
  info: {
    title: "Oncegate: billing facts and outcomes of webhooks",
    version,
    description: INFO,
    license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" }
  },
  defaultContentType: "application/json",
  channels: Object.fromEntries(TOPICS.map(channelOf)),
  operations: Object.fromEntries(
    TOPICS.map(({ id, title }) => [
      `publish${id[0]!.toUpperCase()}${id.slice(1)}`,
      {
        action: "send",
        channel: refTo("channels", id),
        title,
        summary: "Published in Kafka transactions: read with isolation.level=read_committed."
      }
    ])
  ),
  components: {
    parameters: {
      prefix: { description: "KAFKA_TOPIC_PREFIX of the gate: empty unless it is set", default: "" }
    },
    messages: Object.fromEntries(TOPICS.flatMap(messagesOf)),
    schemas: {
      RecordHeaders: bodyOf(RecordHeaders),
      ...Object.fromEntries(TOPICS.map(({ payload, shape }) => [payload, shape]))
    }
  }
})
