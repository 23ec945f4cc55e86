import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { claimed, delivery, fact, openStore, proving } from "../../support/Store.ts"
import { facts } from "../kafka/RelayFixture.ts"
import { openWorld, type World } from "../kafka/RelayWorld.ts"
import { audit, backUp, plan, publish, rebase, refusalOf } from "./RebaseWorld.ts"

const inWorld = <A, E>(work: (world: World) => Effect.Effect<A, E, never>) =>
  Effect.acquireUseRelease(
    Effect.promise(() => openWorld()),
    work,
    (world) => Effect.promise(() => world.close())
  )

/** A gate books these payments; a payment that is booked already books nothing. */
const book = (world: World, ...payments: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* openStore(world.url)
      for (const payment of payments)
        yield* store.complete(
          yield* claimed(store, delivery(`ev_${payment}`)),
          proving(fact(`capture:${payment}:completed`))
        )
    })
  )

/** Effect keys in the topic, sorted; what is there twice is named twice. */
const billed = (world: World, enough: number) =>
  Effect.promise(async () =>
    (await facts(world, enough)).map(({ data }) => String(data.payment_reference).split(":")[1]).sort()
  )
const admin = <A>(world: World, work: (admin: ReturnType<World["kafka"]["admin"]>) => Promise<A>) =>
  Effect.promise(async () => {
    const client = world.kafka.admin()
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.disconnect()
    }
  })
const clean = { named: [] as Array<string> }

/** `npm run rebase` runs all of them; `npm test` those that tell the most. */
const all = process.env.ONCEGATE_REBASE === "all"
const steps = ["rebase.published", "rebase.marked", "rebase.committed"] as const

describe("relay rebase", { timeout: 120_000 }, () => {
  it.live(
    "after an older Postgres was restored: what Kafka holds is not published again, nor billed again",
    () =>
      inWorld((world) =>
        Effect.gen(function* () {
          yield* book(world, "A", "B")
          yield* publish(world)
          const restore = yield* backUp(world)
          yield* book(world, "C", "D")
          yield* publish(world)
          yield* restore
          // The gate goes on while the relay is refused: C comes again, E is new and takes D's position.
          yield* book(world, "C", "E")
          assert.strictEqual(yield* refusalOf(world), "postgres_behind")

          const { comparison } = yield* plan(world)
          assert.deepInclude(comparison, {
            missing: { facts: 1, outcomes: 2 },
            covered: { facts: 0, outcomes: 0 },
            strays: { facts: 1, outcomes: 2 },
            unbooked: 1,
            doubled: 0,
            differing: []
          })
          assert.strictEqual(yield* refusalOf(world), "postgres_behind", "a plan changes nothing")

          yield* rebase(world)
          yield* book(world, "D", "F")
          yield* publish(world)
          assert.deepStrictEqual(yield* billed(world, 6), ["A", "B", "C", "D", "E", "F"])
          assert.deepInclude(yield* audit(world), clean)
          const [record] = yield* Effect.promise(
            () =>
              world.sql`SELECT acted_by, reason, refusal, finished_at IS NOT NULL AS finished FROM relay_rebases`
          )
          assert.deepStrictEqual(
            { ...record },
            { acted_by: "ann", reason: "a drill", refusal: "postgres_behind", finished: true }
          )
          assert.strictEqual((yield* plan(world)).comparison, null, "nothing left to mend")
        })
      )
  )

  it.live.runIf(all)("of an emptied database: the topics say what was billed", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        const restore = yield* backUp(world)
        yield* book(world, "A", "B")
        yield* publish(world)
        yield* restore
        assert.strictEqual(yield* refusalOf(world), "postgres_empty")
        // Without the offset too: the records alone are enough to refuse a start from zero.
        yield* admin(world, (client) => client.deleteGroups([world.names.group]))
        yield* book(world, "C")
        assert.strictEqual(yield* refusalOf(world), "postgres_empty")
        yield* rebase(world)
        yield* book(world, "A", "B")
        yield* publish(world)
        assert.deepStrictEqual(yield* billed(world, 3), ["A", "B", "C"])
        assert.deepInclude(yield* audit(world), clean)
      })
    )
  )

  it.live.runIf(all)(
    "after Kafka came back without its newest records: they are published again, the others are not",
    () =>
      inWorld((world) =>
        Effect.gen(function* () {
          yield* book(world, "A", "B")
          yield* publish(world)
          yield* admin(world, async (client) => {
            await client.deleteGroups([world.names.group])
            await client.deleteTopics({ topics: [world.names.events] })
          })
          // Half of it: what another tool copied back.
          const [copied] = yield* Effect.promise(
            () =>
              world.sql`SELECT data->'fact' AS fact FROM webhook_event_log WHERE data->'fact'->>'effect_key' = 'capture:A:completed'`
          )
          yield* Effect.promise(async () => {
            const client = world.kafka.admin()
            await client.connect()
            while ((await client.listTopics()).includes(world.names.events))
              await new Promise((next) => setTimeout(next, 50))
            await client.createTopics({
              waitForLeaders: false,
              topics: [{ topic: world.names.events, numPartitions: 12, replicationFactor: 1 }]
            })
            await client.disconnect()
            const producer = world.kafka.producer()
            await producer.connect()
            const { type, ...rest } = copied!.fact
            await producer.send({
              topic: world.names.events,
              messages: [
                {
                  key: `paypal/${rest.payment_reference}`,
                  value: JSON.stringify({
                    endpoint: "paypal",
                    provider: "paypal",
                    environment: "simulated",
                    dedup_key: "ev_A",
                    ...rest
                  }),
                  headers: {
                    ce_id: "copied",
                    ce_type: type,
                    ce_source: "/oncegate/paypal",
                    ce_time: new Date(Date.now() - 86_400_000).toISOString()
                  },
                  timestamp: String(Date.now() - 86_400_000)
                }
              ]
            })
            await producer.disconnect()
          })
          assert.strictEqual(yield* refusalOf(world), "records_gone")
          const { comparison } = yield* plan(world)
          assert.deepInclude(comparison, {
            missing: { facts: 1, outcomes: 0 },
            covered: { facts: 1, outcomes: 0 }
          })
          yield* rebase(world)
          yield* publish(world)
          assert.deepStrictEqual(yield* billed(world, 2), ["A", "B"])
        })
      )
  )

  it.live.runIf(all)("of another cluster: all of the log, or from a position on what a person chose", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        yield* book(world, "A")
        yield* publish(world)
        const [{ last } = { last: 0 }] = yield* Effect.promise(
          () => world.sql<Array<{ last: number }>>`SELECT max(position)::int AS last FROM webhook_event_log`
        )
        yield* book(world, "B")
        yield* publish(world)
        yield* admin(world, async (client) => {
          await client.deleteGroups([world.names.group])
          await client.deleteTopics({
            topics: [world.names.events, world.names.outcomes, world.names.checkpoint]
          })
        })
        yield* Effect.promise(() => world.sql`UPDATE relay_checkpoint SET kafka_cluster_id = 'elsewhere'`)
        const planned = yield* plan(world, last)
        assert.strictEqual(planned.diagnosis.refusal?.reason, "other_cluster")
        assert.deepStrictEqual(
          planned.comparison === null
            ? []
            : planned.choices.map(({ publishes, startAt }) => [startAt, publishes.facts]),
          [
            ["kafka", 2],
            ["postgres", 0],
            [last, 1]
          ]
        )
        yield* rebase(world, last)
        yield* book(world, "C")
        yield* publish(world)
        assert.deepStrictEqual(yield* billed(world, 2), ["B", "C"])
        // Asked for, it brings the rest too, though nothing is refused.
        yield* rebase(world, "kafka")
        yield* publish(world)
        assert.deepStrictEqual(yield* billed(world, 3), ["A", "B", "C"])
        assert.deepInclude(yield* audit(world), clean)
      })
    )
  )

  it.live.runIf(all)(
    "of a dump on another server: its rows get ids of this one, and nothing is published twice",
    () =>
      inWorld((world) =>
        Effect.gen(function* () {
          yield* book(world, "A")
          yield* publish(world)
          yield* book(world, "B")
          yield* Effect.promise(() =>
            world.sql.begin(async (tx) => {
              await tx`SET LOCAL session_replication_role = replica`
              await tx`UPDATE webhook_event_log SET xid = ((xid::text::bigint + 1000000000)::text)::xid8`
              await tx`UPDATE relay_checkpoint SET
              from_snapshot = regexp_replace(from_snapshot, '^(\\d+):(\\d+):.*$', '1\\1:1\\2:'),
              to_snapshot = regexp_replace(to_snapshot, '^(\\d+):(\\d+):.*$', '1\\1:1\\2:')`
            })
          )
          assert.strictEqual(yield* refusalOf(world), "dump_of_other_server")
          assert.include((yield* Effect.flip(rebase(world, "postgres"))).message, "dump of another server")
          yield* rebase(world)
          yield* book(world, "C")
          yield* publish(world)
          assert.deepStrictEqual(yield* billed(world, 3), ["A", "B", "C"])
          assert.deepInclude(yield* audit(world), clean)
          const refused = yield* Effect.promise(() =>
            world.sql`UPDATE webhook_event_log SET version = 9`.then(
              () => "changed",
              (error: Error) => error.message
            )
          )
          assert.strictEqual(refused, "the log is append-only")
        })
      )
  )

  it.live.each(all ? steps : steps.slice(0, 1))(
    "killed at %s: the relay waits for the next rebase, which ends it",
    (step) =>
      inWorld((world) =>
        Effect.gen(function* () {
          yield* book(world, "A")
          yield* publish(world)
          yield* book(world, "B", "C")
          // Open, and its offset gone: what became of it cannot be told by the checkpoint.
          yield* Effect.promise(
            () =>
              world.sql`UPDATE relay_checkpoint SET confirmed_at = NULL WHERE batch = (SELECT max(batch) FROM relay_checkpoint)`
          )
          yield* admin(world, (client) => client.deleteGroups([world.names.group]))
          assert.strictEqual(yield* refusalOf(world), "offset_gone")
          yield* Effect.exit(rebase(world, null, step))
          if (step !== "rebase.committed") {
            assert.strictEqual(yield* refusalOf(world), "rebase_unfinished")
            // Not even where the marker's offset expires.
            yield* admin(world, (client) => client.deleteGroups([world.names.group]))
            assert.strictEqual(yield* refusalOf(world), "offset_gone")
            yield* rebase(world)
          }
          yield* book(world, "D")
          yield* publish(world)
          assert.deepStrictEqual(yield* billed(world, 4), ["A", "B", "C", "D"])
          assert.deepInclude(yield* audit(world), clean)
        })
      )
  )

  it.live("does nothing to a checkpoint that nobody refuses, nor against a relay at work", () =>
    inWorld((world) =>
      Effect.gen(function* () {
        yield* book(world, "A")
        yield* publish(world)
        assert.strictEqual((yield* rebase(world)).comparison, null)
        const before = yield* Effect.promise(() => world.sql`SELECT count(*)::int AS n FROM relay_rebases`)
        assert.deepStrictEqual(
          before.map(({ n }) => n),
          [0]
        )
        const relay = world.startRelay()
        yield* Effect.promise(() => relay.until(({ state }) => state === "active"))
        assert.include((yield* Effect.flip(rebase(world, "kafka"))).message, "holds the lock")
      })
    )
  )
})
