import { Effect } from "effect"
import kafkajs, { type Kafka } from "kafkajs"
import * as KafkaClient from "../kafka/KafkaClient.ts"
import { attempt } from "../kafka/KafkaFailed.ts"
import { connectAdmin } from "../kafka/Producer.ts"
import { namesOf } from "../kafka/Topics.ts"
import { Database } from "../postgres/Database.ts"
import * as RelayCheckpoint from "../postgres/RelayCheckpoint.ts"
import { capture, type Range } from "./Topic.ts"

const CALL_MS = 10_000
const DAY_MS = 86_400_000

/** Why the topics were not compared; no difference. */
export interface NotCompared {
  readonly reason: "kafka_unreachable" | "never_published" | "other_cluster"
  readonly code: string | null
}

/** What had been published at one moment, on both sides. */
export interface Published {
  readonly kafka: Kafka
  readonly events: Range
  readonly outcomes: Range
  readonly place: RelayCheckpoint.BatchRow["place"]
  /** Outcomes older than this may have left their topic. Milliseconds. */
  readonly outcomesSince: number
}

/** Retention of a topic in milliseconds; infinite where it has none. A broker that does not say: 30 days, as the relay sets it for outcomes. */
export const retentionOf = (admin: kafkajs.Admin, topic: string, unknown = 30 * DAY_MS) =>
  attempt("audit.settings", CALL_MS, async () => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ["retention.ms"] }]
    })
    const value = Number(resources[0]?.configEntries[0]?.configValue)
    return value < 0 ? Number.POSITIVE_INFINITY : value
  }).pipe(
    Effect.catchTag("KafkaFailed", () => Effect.succeed(unknown)),
    Effect.map((value) => (Number.isNaN(value) ? unknown : value))
  )

/**
 * Looks at the checkpoint first, at the ends of the topics second; the snapshot of the database comes after both. So all
 * that the checkpoint covers is in the topics, and all that is in the topics is in the snapshot.
 */
export const look = Effect.fnUntraced(function* (
  options: Omit<KafkaClient.KafkaOptions, "clientId"> & { readonly topicPrefix: string },
  nowMs: number
) {
  const { claims } = yield* Database
  const kafka = yield* KafkaClient.make({ ...options, clientId: "oncegate-audit" })
  const names = namesOf(options.topicPrefix)
  const { confirmed } = yield* RelayCheckpoint.read({ connection: claims })
  return yield* Effect.gen(function* () {
    const admin = yield* connectAdmin(kafka)
    const { clusterId } = yield* attempt("audit.cluster", CALL_MS, () => admin.describeCluster())
    if (confirmed !== undefined && confirmed.clusterId !== clusterId)
      return { reason: "other_cluster", code: null } satisfies NotCompared
    const events = yield* capture(admin, names.events)
    const outcomes = yield* capture(admin, names.outcomes)
    if (confirmed === undefined || events === null || outcomes === null)
      return { reason: "never_published", code: null } satisfies NotCompared
    const retention = yield* retentionOf(admin, names.outcomes)
    return {
      kafka,
      events,
      outcomes,
      place: confirmed.place,
      // A day of margin: Kafka's clock is another one, and it looks for what is due now and then.
      outcomesSince: Number.isFinite(retention) ? nowMs - retention + DAY_MS : Number.NEGATIVE_INFINITY
    } satisfies Published
  }).pipe(
    Effect.scoped,
    Effect.catchTag("KafkaFailed", ({ code }) =>
      Effect.succeed({ reason: "kafka_unreachable", code } satisfies NotCompared)
    )
  )
})
