import { Effect, Schedule } from "effect"
import kafkajs, { type Admin, type ITopicMetadata } from "kafkajs"
import { attempt } from "./KafkaFailed.ts"

/** The names that the relay uses, all under one prefix. */
export const namesOf = (prefix: string) => ({
  events: `${prefix}billing.events.v1`,
  outcomes: `${prefix}billing.webhook-outcomes.v1`,
  /** Holds no records: the relay's group has its offsets here. */
  checkpoint: `${prefix}oncegate.relay-checkpoint.v1`,
  group: `${prefix}oncegate-relay`,
  transactionalId: `${prefix}oncegate-relay`
})
export type TopicNames = ReturnType<typeof namesOf>

/** A setting of a topic that is weaker than what the promise needs. */
export interface Finding {
  readonly topic: string
  readonly setting: string
  readonly found: string
  readonly wanted: string
}

const DAY_MS = 86_400_000
const LIMIT_MS = 10_000

interface Wanted {
  readonly topic: string
  readonly partitions: number
  readonly replication: number
  readonly config: Readonly<Record<string, string>>
}

/** What the topics of a cluster of so many brokers should be. */
export const wanted = (names: TopicNames, brokers: number): ReadonlyArray<Wanted> => {
  const replication = Math.min(3, brokers)
  const config = {
    "cleanup.policy": "delete",
    "min.insync.replicas": replication === 3 ? "2" : "1",
    "unclean.leader.election.enable": "false"
  }
  return [
    { topic: names.events, partitions: 12, replication, config: { ...config, "retention.ms": "-1" } },
    {
      topic: names.outcomes,
      partitions: 12,
      replication,
      config: { ...config, "retention.ms": String(30 * DAY_MS) }
    },
    // Partition 0 is the checkpoint, partition 1 the barrier in front of reading it.
    { topic: names.checkpoint, partitions: 2, replication, config }
  ]
}

/** A retention may be longer and a quorum larger; the rest must be as it is written. */
const isWeaker = (setting: string, found: string, want: string) => {
  if (setting === "retention.ms") return found !== "-1" && (want === "-1" || Number(found) < Number(want))
  if (setting === "min.insync.replicas") return Number(found) < Number(want)
  return found !== want
}

const inspect = Effect.fnUntraced(function* (
  admin: Admin,
  topics: ReadonlyArray<Wanted>,
  metadata: ReadonlyArray<ITopicMetadata>
) {
  const { resources } = yield* attempt("topics.settings", LIMIT_MS, () =>
    admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map(({ topic, config }) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configNames: Object.keys(config)
      }))
    })
  )
  const findings: Array<Finding> = []
  for (const { topic, partitions, replication, config } of topics) {
    const found = metadata.find(({ name }) => name === topic)?.partitions ?? []
    // More of them are no better: keys would move to other partitions, and with them the order of a payment.
    if (found.length !== partitions)
      findings.push({ topic, setting: "partitions", found: String(found.length), wanted: String(partitions) })
    const replicas = Math.min(...found.map((partition) => partition.replicas.length))
    if (replicas < replication)
      findings.push({
        topic,
        setting: "replication.factor",
        found: String(replicas),
        wanted: String(replication)
      })
    const settings = resources.find(({ resourceName }) => resourceName === topic)?.configEntries ?? []
    for (const [setting, want] of Object.entries(config)) {
      const value = settings.find(({ configName }) => configName === setting)?.configValue ?? "unknown"
      if (isWeaker(setting, value, want)) findings.push({ topic, setting, found: value, wanted: want })
    }
  }
  return findings
})

/** Creates what is missing and names every setting of what exists that is weaker than it should be. */
export const ensure = Effect.fnUntraced(function* (admin: Admin, names: TopicNames) {
  const cluster = yield* attempt("topics.cluster", LIMIT_MS, () => admin.describeCluster())
  const topics = wanted(names, cluster.brokers.length)
  const existing = new Set(yield* attempt("topics.list", LIMIT_MS, () => admin.listTopics()))
  const missing = topics.filter(({ topic }) => !existing.has(topic))
  if (missing.length > 0) {
    yield* attempt("topics.create", LIMIT_MS, () =>
      admin.createTopics({
        // Its wait gives up at the first broker that has not heard of the topic yet: we wait below.
        waitForLeaders: false,
        topics: missing.map(({ topic, partitions, replication, config }) => ({
          topic,
          numPartitions: partitions,
          replicationFactor: replication,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value }))
        }))
      })
    )
  }
  const { topics: metadata } = yield* attempt("topics.metadata", LIMIT_MS, () =>
    admin.fetchTopicMetadata({ topics: topics.map(({ topic }) => topic) })
  ).pipe(
    Effect.retry({
      while: ({ code }) => code === "UNKNOWN_TOPIC_OR_PARTITION" || code === "LEADER_NOT_AVAILABLE",
      schedule: Schedule.spaced(50).pipe(Schedule.upTo({ duration: LIMIT_MS }))
    })
  )
  const findings = yield* inspect(admin, topics, metadata).pipe(
    // Reading settings needs a right that publishing does not: its lack is a finding, no reason to stand still.
    Effect.catchIf(
      ({ refused }) => refused,
      ({ code }) =>
        Effect.succeed([{ topic: names.events, setting: "settings", found: code, wanted: "readable" }])
    )
  )
  const count = (name: string) => metadata.find((topic) => topic.name === name)?.partitions.length ?? 1
  return {
    clusterId: cluster.clusterId,
    findings: findings as ReadonlyArray<Finding>,
    partitions: { events: count(names.events), outcomes: count(names.outcomes) }
  }
})
