import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openWorld, type World } from "../kafka/RelayWorld.ts"
import { auditOf, playEverything, tamper } from "./AuditWorld.ts"

describe("audit of the topics", () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld()
  })
  afterAll(() => world.close())

  const look = (endpoint: string | null = null) =>
    auditOf(world.url, { endpoint, kafka: { brokers: world.brokers, topicPrefix: world.prefix } })

  /** Publishes what the log has, then stops, so that what a test adds to the log or a topic stays as it is. */
  const publish = Effect.promise(async () => {
    const relay = world.startRelay()
    await relay.until(({ backlog, state }) => state === "active" && backlog === 0)
    await relay.stop()
  })

  const outcomes = Effect.promise(async () => {
    const [row] = await world.sql<[{ count: number }]>`
      SELECT count(*)::int AS count FROM webhook_event_log
       WHERE type IN ('Completed', 'DuplicateSeen', 'Failed', 'Parked', 'Quarantined')`
    return row.count
  })

  /** As somebody would who is not the relay. */
  const send = (headers: Readonly<Record<string, string>>, data: Readonly<Record<string, unknown>>) =>
    Effect.promise(async () => {
      const producer = world.kafka.producer()
      await producer.connect()
      await producer.send({
        topic: world.names.events,
        messages: [
          { key: "paypal/capture:k_done:completed", value: JSON.stringify(data), headers: { ...headers } }
        ]
      })
      await producer.disconnect()
    })

  it.live(
    "before anything was published it says so, and that is no difference",
    () =>
      Effect.gen(function* () {
        yield* playEverything(world.url, "k")
        const { named, summary } = yield* look()
        assert.deepStrictEqual(named, [])
        assert.deepStrictEqual(summary.records, { reason: "never_published", code: null })
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "clean: every fact and outcome up to the checkpoint stands in its topic once; what came later may not",
    () =>
      Effect.gen(function* () {
        yield* publish
        const { named, summary } = yield* look()
        assert.deepStrictEqual(named, [])
        assert.deepStrictEqual(summary.records, { events: 3, outcomes: yield* outcomes })
        yield* playEverything(world.url, "later")
        assert.deepStrictEqual((yield* look()).named, [])
        assert.deepStrictEqual((yield* look("toss")).summary.records, { events: 0, outcomes: 0 })
        yield* publish
        assert.deepStrictEqual((yield* look()).summary.records, {
          events: 6,
          outcomes: yield* outcomes
        })
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "while relay and traffic run, it stays clean",
    () =>
      Effect.gen(function* () {
        const relay = world.startRelay()
        yield* Effect.all(
          [
            Effect.forEach([1, 2, 3, 4, 5, 6], (index) => playEverything(world.url, `busy${index}`), {
              concurrency: 2
            }),
            Effect.gen(function* () {
              for (let round = 0; round < 3; round += 1) assert.deepStrictEqual((yield* look()).named, [])
            })
          ],
          { concurrency: 2 }
        )
        yield* Effect.promise(() => relay.until(({ backlog }) => backlog === 0))
        yield* Effect.promise(() => relay.stop())
        assert.deepStrictEqual((yield* look()).named, [])
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "names a fact that is not in its topic, one that is twice, one with other data, and one that the log does not know",
    () =>
      Effect.gen(function* () {
        const records = yield* Effect.promise(async () => {
          const seen: Array<{ id: string; headers: Record<string, string>; data: Record<string, unknown> }> =
            []
          const consumer = world.kafka.consumer({ groupId: `${world.prefix}look`, readUncommitted: false })
          await consumer.connect()
          await consumer.subscribe({ topics: [world.names.events], fromBeginning: true })
          const enough = Promise.withResolvers<void>()
          await consumer.run({
            eachMessage: async ({ message }) => {
              const headers = Object.fromEntries(
                Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])
              )
              seen.push({ id: headers.ce_id!, headers, data: JSON.parse(String(message.value)) })
              if (seen.length === 24) enough.resolve()
            }
          })
          await enough.promise
          await consumer.disconnect()
          return seen
        })
        const done = records.find(({ data }) => data.effect_key === "capture:k_done:completed")!
        // Republished on purpose: the same ids, and no difference.
        yield* send({ ...done.headers, "oncegate-replay": "1" }, done.data)
        assert.deepStrictEqual((yield* look()).named, [])

        yield* send(done.headers, done.data)
        yield* send({ ...done.headers, ce_id: "00000000-0000-5000-8000-000000000000" }, done.data)
        const lost = records.find(({ data }) => data.effect_key === "capture:k_lost:completed")!
        const again = records.find(({ data }) => data.effect_key === "capture:k_again:completed")!
        // The log says another amount than was published, and knows a fact that never was.
        yield* tamper(
          world.sql,
          `UPDATE webhook_event_log SET data = jsonb_set(data, '{fact,provider_status}', '"OTHER"')
            WHERE dedup_key = 'ev_k_lost' AND type = 'BillingEventRecorded'`
        )
        yield* tamper(
          world.sql,
          `UPDATE webhook_event_log SET data = jsonb_set(data, '{fact,effect_key}', '"capture:k_renamed"')
            WHERE dedup_key = 'ev_k_again' AND type = 'BillingEventRecorded'`
        )
        const { findings } = yield* look()
        const records_ = findings.filter(({ code }) => code.startsWith("record_"))
        assert.sameDeepMembers(
          records_.map(
            ({ code, field, key }) => `${key} ${code} ${field === undefined ? "" : field.slice(0, 36)}`
          ),
          [
            `ev_k_done record_doubled ${done.id}`,
            "ev_k_done record_unknown 00000000-0000-5000-8000-000000000000",
            `ev_k_lost record_differs ${lost.id}`,
            `ev_k_again record_unknown ${again.id}`,
            `ev_k_again record_missing ${records_.find(({ code }) => code === "record_missing")?.field}`
          ]
        )
      }).pipe(Effect.scoped),
    120_000
  )

  it.live("a broker out of reach is said, and is no difference", () =>
    Effect.gen(function* () {
      const { summary } = yield* auditOf(world.url, {
        kafka: { brokers: ["127.0.0.1:1"], topicPrefix: world.prefix }
      })
      assert.deepInclude(summary.records, { reason: "kafka_unreachable" })
    }).pipe(Effect.scoped)
  )
})
