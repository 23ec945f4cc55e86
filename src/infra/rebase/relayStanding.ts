import { Effect, Schedule } from "effect"
import * as KafkaClient from "../kafka/KafkaClient.ts"
import { attempt } from "../kafka/KafkaFailed.ts"
import { connectAdmin, peek } from "../kafka/Producer.ts"
import { namesOf } from "../kafka/Topics.ts"
import { Database } from "../postgres/Database.ts"
import { pace, read } from "../postgres/RelayCheckpoint.ts"
import * as RelayReports from "../postgres/RelayReports.ts"
import { readStatus } from "../postgres/readStatus.ts"
import { diagnose } from "./Diagnosis.ts"

const CALL_MS = 10_000
/** What Kafka said, or why it said nothing. */
const kafkaSide = Effect.fnUntraced(function* (
  options: Omit<KafkaClient.KafkaOptions, "clientId"> & { readonly topicPrefix: string }
) {
  const { claims } = yield* Database
  const names = namesOf(options.topicPrefix)
  const kafka = yield* KafkaClient.make({ ...options, clientId: "oncegate-status" })
  const admin = yield* connectAdmin(kafka)
  const { clusterId } = yield* attempt("status.cluster", CALL_MS, () => admin.describeCluster())
  const topics = yield* attempt("status.topics", CALL_MS, () => admin.listTopics())
  const isMade = [names.checkpoint, names.events, names.outcomes].every((name) => topics.includes(name))
  // A relay at work moves both sides between two looks: only a disagreement that stays is one.
  return yield* Effect.gen(function* () {
    const kafkaHas = isMade ? yield* peek(admin, names) : undefined
    return yield* diagnose(claims, admin, names, { clusterId, kafka: kafkaHas, isMade })
  }).pipe(
    Effect.repeat({
      schedule: Schedule.spaced(200),
      times: 4,
      while: ({ refusal }) =>
        refusal !== null && !["other_cluster", "postgres_empty", "records_gone"].includes(refusal.reason)
    })
  )
})

/** Everything about the relay that can be seen from outside its process. Fences nobody. */
export const relayStanding = Effect.fnUntraced(function* (kafka: Parameters<typeof kafkaSide>[0] | null) {
  const { claims } = yield* Database
  const relays = yield* RelayReports.read(claims)
  const { at, relay } = yield* readStatus(claims, Effect.succeed(null))
  const { confirmed, open } = yield* read({ connection: claims })
  const rowsPerSecond = yield* pace(claims)
  const found =
    kafka === null
      ? ({ unreachable: "KAFKA_BROKERS is not set" } as const)
      : yield* Effect.scoped(kafkaSide(kafka)).pipe(
          Effect.map((diagnosis) => ({ diagnosis })),
          Effect.catchTag("KafkaFailed", ({ code, operation }) =>
            Effect.succeed({ unreachable: `${operation}: ${code}` })
          )
        )
  const diagnosis = "diagnosis" in found ? found.diagnosis : undefined
  return {
    at,
    relays,
    /** `absent` where none ever reported, or the last one took its leave. */
    state: RelayReports.together(relays)?.state ?? "absent",
    active: relays.filter(({ state }) => state === "active").length,
    standby: relays.filter(({ state }) => state === "standby").length,
    checkpoint: {
      confirmed: confirmed === undefined ? null : { ...confirmed, at: relay.confirmed_at },
      open: open ?? null
    },
    kafka:
      diagnosis === undefined
        ? { unreachable: "unreachable" in found ? found.unreachable : "" }
        : { cluster_id: diagnosis.clusterId, checkpoint: diagnosis.kafka ?? null },
    backlog: {
      rows: relay.unpublished,
      exact: relay.unpublished_exact,
      oldest_seconds: relay.oldest_unpublished_seconds,
      /** Until what waits now is in Kafka, at this rate; null where nothing moves. */
      seconds_left:
        relay.unpublished === 0
          ? 0
          : rowsPerSecond === null || rowsPerSecond === 0
            ? null
            : relay.unpublished / rowsPerSecond
    },
    /** Records a second, as the relays said last; and rows of the log, of which not each makes a record, over the last seconds. */
    rate: relays.reduce((sum, { rate }) => sum + rate, 0),
    rows_per_second: rowsPerSecond,
    /** Null: not known, for want of Kafka. */
    verdict:
      diagnosis === undefined
        ? null
        : diagnosis.refusal === null
          ? { agrees: true as const }
          : {
              agrees: false as const,
              reason: diagnosis.refusal.reason,
              explanation: diagnosis.refusal.explanation
            }
  }
})
export type RelayOverview = Effect.Success<ReturnType<typeof relayStanding>>
