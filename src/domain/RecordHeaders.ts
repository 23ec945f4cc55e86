import { Schema } from "effect"
import { UtcTime } from "./UtcTime.ts"

/** What `ce_dataschema` says of a type: the `$id` of its JSON Schema, under `contracts/schemas`. */
export const dataschemaOf = (type: string) => `urn:oncegate:schema:${type}`

const Uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u)
)

/** The headers of every record, UTF-8 text: CloudEvents 1.0, Kafka binding, binary mode. */
export const RecordHeaders = Schema.Struct({
  ce_specversion: Schema.Literal("1.0").annotate({
    description: "Version of CloudEvents",
    examples: ["1.0"]
  }),
  ce_id: Uuid.annotate({
    description:
      "Identity of the record: drop what comes again. Of a fact: UUIDv5, in the URL namespace, of `oncegate:{endpoint}:{effect_key}`, the same for ever; of an outcome: the id of its row in the gate's log",
    examples: ["4d5a2eff-52fc-594c-949c-64de5905f94f"]
  }),
  ce_source: Schema.String.check(Schema.isPattern(/^[/]oncegate[/]/u)).annotate({
    description: "`/oncegate/{endpoint}`",
    examples: ["/oncegate/paypal"]
  }),
  ce_type: Schema.NonEmptyString.annotate({
    description: "What happened. New types may come: pass over those that you do not know",
    examples: ["billing.payment.captured.v1"]
  }),
  ce_dataschema: Schema.String.check(Schema.isPattern(/^urn:oncegate:schema:/u)).annotate({
    description: "`urn:oncegate:schema:{ce_type}`: the `$id` of the JSON Schema of the value",
    examples: [dataschemaOf("billing.payment.captured.v1")]
  }),
  ce_subject: Schema.String.annotate({
    description: "Of a fact: its payment_reference; of an outcome: its dedup_key",
    examples: ["3C679366HH908993F"]
  }),
  ce_time: UtcTime.annotate({
    description: "When the gate wrote it down, by its database's clock: ISO 8601, UTC",
    examples: ["2026-03-04T05:06:08.123Z"]
  }),
  ce_sequence: Schema.String.check(Schema.isPattern(/^[0-9]{20}$/u)).annotate({
    description:
      "Position in the gate's log, 20 digits, with gaps. What happened at the same moment may come in either order: for questions, not for sorting",
    examples: ["00000000000000004711"]
  }),
  "content-type": Schema.Literal("application/json").annotate({
    description: "Of the value",
    examples: ["application/json"]
  }),
  traceparent: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/u)).annotate({
      description: "W3C trace context of the delivery, where it had one",
      examples: ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
    })
  ),
  "oncegate-replay": Schema.optionalKey(
    Uuid.annotate({
      description:
        "Only on a record that was published once more by `oncegate replay`: the id of that replay. Everything else is as it was the first time",
      examples: ["9b2f1c44-0d6e-4f0b-8a57-3c1d2e4f5a6b"]
    })
  )
}).annotate({
  identifier: "RecordHeaders",
  description: "Headers of a record: a CloudEvent 1.0 in binary mode"
})
export type RecordHeaders = typeof RecordHeaders.Encoded
