import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { DoneEvents } from "../../../src/domain/DoneEvents.ts"
import type { ErrorCode } from "../../../src/domain/ErrorCode.ts"
import { type Interpretation, ProcessFailed, type Provider } from "../../../src/domain/Provider.ts"
import { reinterpret } from "../../../src/domain/reinterpret.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { openEvents } from "../../support/People.ts"
import { claimed, delivery, endpoint, fact, openStore, proving } from "../../support/Store.ts"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

const act = { by: "ann", reason: "the cause is mended" }
const name = (dedupKey: string) => ({ endpoint: "paypal", dedupKey })

layer(Schema.layer, { excludeTestServices: true, timeout: "3 minutes" })("events", (it) => {
  const setup = Effect.gen(function* () {
    const { sql, url } = yield* Schema
    const store = yield* openStore(url)
    return { sql, store, ...(yield* openEvents(url)) }
  })
  type Setup = Effect.Success<typeof setup>

  const park = Effect.fnUntraced(function* (
    { store }: Pick<Setup, "store">,
    key: string,
    code: ErrorCode = "uninterpretable"
  ) {
    yield* store.fail(yield* claimed(store, delivery(key)), { kind: "permanent", code, delayMs: 0 })
  })
  const logOf = ({ sql }: Pick<Setup, "sql">, key: string) =>
    Effect.promise(
      () =>
        sql<Array<{ type: string; version: number; by: string | null; reason: string | null }>>`
          SELECT type, version, data->>'by' AS by, data->>'reason' AS reason FROM webhook_event_log
           WHERE dedup_key = ${key} ORDER BY position`
    )
  const rowOf = ({ sql }: Pick<Setup, "sql">, key: string) =>
    Effect.map(
      Effect.promise(
        () => sql`SELECT status, error_code, fence, version, attempts, failures,
                         next_attempt_at <= now() AS due FROM webhook_dedup_events WHERE dedup_key = ${key}`
      ),
      ([row]) => ({ ...row })
    )

  describe("redrive", () => {
    it.effect("a parked event is due at once with its counts at 0, and the log says who and why", () =>
      Effect.gen(function* () {
        const house = yield* setup
        yield* park(house, "ev_parked")
        yield* house.events.redrive(name("ev_parked"), act)
        assert.deepInclude(yield* rowOf(house, "ev_parked"), {
          status: "failed",
          error_code: "redriven",
          attempts: 0,
          failures: 0,
          due: true,
          version: 3
        })
        assert.deepStrictEqual((yield* logOf(house, "ev_parked")).map((line) => ({ ...line })).at(-1), {
          type: "Redriven",
          version: 3,
          ...act
        })
        // and the gate takes it up, with its body
        const { due } = yield* house.store.take(endpoint, "retry", 10)
        const taken = due.find(({ claim }) => claim.dedupKey === "ev_parked")!
        assert.strictEqual(taken.claim.because, "redriven")
        assert.strictEqual(Buffer.from(taken.body as Uint8Array).toString(), "ev_parked")
        yield* house.store.complete(taken.claim, proving(fact("capture:parked:completed")))
        assert.deepInclude(yield* rowOf(house, "ev_parked"), { status: "done", error_code: null })
      })
    )

    it.effect("what is done, in work or unknown is refused by name, and nothing changes", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { events, store } = house
        yield* store.complete(yield* claimed(store, delivery("ev_done")), proving())
        yield* claimed(store, delivery("ev_busy"))
        for (const [key, state] of [
          ["ev_done", "done"],
          ["ev_busy", "processing"]
        ] as const) {
          const before = [yield* rowOf(house, key), yield* logOf(house, key)]
          for (const kind of ["redrive", "dismiss"] as const) {
            const refused = yield* Effect.flip(events[kind](name(key), act))
            assert.deepInclude(refused, { _tag: "ActRefused", act: kind, state })
          }
          assert.deepStrictEqual([yield* rowOf(house, key), yield* logOf(house, key)], before)
        }
        assert.strictEqual((yield* Effect.flip(events.redrive(name("ev_none"), act)))._tag, "EventMissing")
      })
    )

    it.effect(
      "two people and a gate at the same moment: every act that was told done is in the log, once",
      () =>
        Effect.gen(function* () {
          const house = yield* setup
          for (let round = 0; round < 20; round++) {
            const key = `ev_race_${round}`
            yield* park(house, key)
            const acts = yield* Effect.all(
              [
                Effect.result(house.events.redrive(name(key), act)),
                Effect.result(house.events.dismiss(name(key), act)),
                Effect.result(house.events.redrive(name(key), act))
              ],
              { concurrency: 3 }
            )
            const acted = acts.filter(({ _tag }) => _tag === "Success").length
            const log = (yield* logOf(house, key)).filter(({ type }) => /Redriven|Dismissed/.test(type))
            assert.strictEqual(log.length, acted)
            assert.deepStrictEqual(
              log.map(({ version }) => version),
              log.map((_, index) => index + 3)
            )
            assert.strictEqual((yield* rowOf(house, key)).version, 2 + acted)
          }
        })
    )

    it.effect("conflict and quarantine can be re-driven too: their bodies are in custody", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { events, store } = house
        yield* claimed(store, delivery("ev_first_body", "one"))
        yield* store.claim(delivery("ev_first_body", "two"))
        yield* store.claim(delivery("raw_1", "no json", { quarantine: true }))
        for (const state of ["conflict", "quarantined"] as const) {
          const [one] = (yield* events.list({ state }, { limit: 10 })).events
          yield* events.redrive(name(one!.dedup_key), act)
          const { due } = yield* store.take(endpoint, "retry", 10)
          assert.strictEqual(due.length, 1)
          const [{ body, claim }] = due as [(typeof due)[number]]
          assert.strictEqual(
            Buffer.from(body as Uint8Array).toString(),
            state === "conflict" ? "two" : "no json"
          )
          yield* store.fail(claim, { kind: "permanent", code: "not_json_object", delayMs: 0 })
          assert.strictEqual((yield* events.show(name(one!.dedup_key))).state, "quarantined")
        }
      })
    )
  })

  describe("in bulk", () => {
    it.effect("1,000 parked by one command; a dry run changes nothing; others are left alone", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { events, sql } = house
        yield* Effect.forEach(
          Array.from({ length: 1_000 }, (_, at) => at),
          (at) => park(house, `ev_bulk_${at}`, "custody_broken"),
          { concurrency: 100 }
        )
        yield* park(house, "ev_bulk_other", "effect_conflict")
        const filter = { state: "parked", endpoint: "paypal", code: "custody_broken" } as const
        const state = () =>
          Effect.promise(
            () => sql<Array<{ version: number; code: string; count: number }>>`
              SELECT version, error_code AS code, count(*)::int AS count FROM webhook_dedup_events
               WHERE dedup_key LIKE 'ev\\_bulk\\_%' GROUP BY 1, 2 ORDER BY 3`
          )
        const before = yield* state()
        assert.deepStrictEqual(yield* events.count(filter), [
          { endpoint: "paypal", state: "parked", error_code: "custody_broken", count: 1_000 }
        ] as never)
        assert.deepStrictEqual(yield* state(), before)
        assert.strictEqual(
          (yield* events.count({ ...filter, since: new Date(Date.now() + 60_000) })).length,
          0
        )

        const started = performance.now()
        assert.deepStrictEqual(yield* events.redriveMany(filter, act), {
          redriven: 1_000,
          skipped: 0,
          cursor: null
        })
        console.log(`1,000 re-driven in ${Math.round(performance.now() - started)} ms`)
        assert.deepStrictEqual(
          (yield* state()).map((row) => ({ ...row })),
          [
            { version: 2, code: "effect_conflict", count: 1 },
            { version: 3, code: "redriven", count: 1_000 }
          ]
        )
        const [log] = yield* Effect.promise(
          () => sql<Array<{ count: number }>>`SELECT count(*)::int FROM webhook_event_log
            WHERE type = 'Redriven' AND dedup_key LIKE 'ev\\_bulk\\_%' AND data->>'by' = 'ann' AND data->>'reason' = ${act.reason}`
        )
        assert.strictEqual(log!.count, 1_000)
        assert.deepInclude(yield* events.redriveMany(filter, act), { redriven: 0, skipped: 0 })
      })
    )

    it.effect("a row that somebody holds is stepped over, and found by the next run", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { events, sql } = house
        for (const at of [1, 2, 3]) yield* park(house, `ev_held_${at}`, "no_custody")
        const filter = { state: "parked", code: "no_custody" } as const
        const run = yield* Effect.promise(() =>
          sql.begin(async (held) => {
            await held`SELECT 1 FROM webhook_dedup_events WHERE dedup_key = 'ev_held_2' FOR UPDATE`
            return Effect.runPromise(events.redriveMany(filter, act))
          })
        )
        assert.deepInclude(run, { redriven: 2, skipped: 1 })
        assert.deepInclude(yield* events.redriveMany(filter, act), { redriven: 1, skipped: 0 })
      })
    )
  })

  it.effect(
    "dismissed is done for good: nothing booked, redelivery a duplicate, who and why in the log",
    () =>
      Effect.gen(function* () {
        const house = yield* setup
        yield* park(house, "ev_dismissed")
        yield* house.events.dismiss(name("ev_dismissed"), act)
        assert.deepInclude(yield* rowOf(house, "ev_dismissed"), { status: "done", error_code: "dismissed" })
        assert.deepStrictEqual((yield* logOf(house, "ev_dismissed")).map((line) => ({ ...line })).at(-1), {
          type: "Dismissed",
          version: 3,
          ...act
        })
        assert.deepStrictEqual(yield* house.store.claim(delivery("ev_dismissed")), {
          _tag: "Duplicate",
          state: "done"
        })
        assert.deepInclude(yield* Effect.flip(house.events.redrive(name("ev_dismissed"), act)), {
          state: "done"
        })
      })
  )

  describe("reading", () => {
    it.effect("pages are complete and without repeats while events arrive", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { events, store } = house
        const keys = Array.from({ length: 300 }, (_, at) => `ev_page_${at}`)
        yield* Effect.forEach(keys, (key) => park(house, key, "payload_mismatch"), { concurrency: 50 })
        const seen: Array<string> = []
        let cursor: string | null | undefined
        let arrived = 0
        do {
          const page = yield* events.list({ state: "conflict" }, { limit: 37, ...(cursor ? { cursor } : {}) })
          seen.push(...page.events.map(({ dedup_key }) => dedup_key))
          cursor = page.cursor
          yield* Effect.forEach(
            [1, 2, 3, 4, 5],
            () => park({ store }, `ev_page_late_${arrived++}`, "payload_mismatch"),
            { concurrency: 5 }
          )
        } while (cursor)
        assert.strictEqual(new Set(seen).size, seen.length)
        assert.includeMembers(seen, keys)
        assert.isAbove(arrived, 30)
      })
    )

    it.effect("a list says state, code and times, newest first; a foreign cursor is refused", () =>
      Effect.gen(function* () {
        const { events } = yield* setup
        const { events: all } = yield* events.list({}, { limit: 500 })
        const times = all.map(({ first_seen_at }) => first_seen_at)
        assert.deepStrictEqual(times, times.toSorted().toReversed())
        for (const state of ["parked", "done", "processing", "retry_scheduled", "conflict"] as const)
          assert.isTrue(
            (yield* events.list({ state }, { limit: 500 })).events.every((event) => event.state === state)
          )
        for (const cursor of ["x", "", Buffer.from('["1","1; DROP"]').toString("base64url")])
          assert.strictEqual(
            (yield* Effect.flip(events.list({}, { limit: 1, cursor })))._tag,
            "CursorInvalid"
          )
      })
    )

    it.effect("show: the row, its log with positions, its facts with their ids, and no body", () =>
      Effect.gen(function* () {
        const { events, store } = yield* setup
        const request = delivery("ev_shown:a~b/c?d", "SENTINEL_4111111111111111")
        yield* store.complete(
          yield* claimed(store, request),
          proving(fact("capture:shown:completed", "12.30"))
        )
        const shown = yield* events.show(name("ev_shown:a~b/c?d"))
        assert.deepInclude(shown, { state: "done", body: "in custody", log_omitted: 0, fence: 1 })
        assert.deepStrictEqual(
          shown.log.map(({ type, version }) => [type, version]),
          [
            ["Claimed", 1],
            ["BillingEventRecorded", 2],
            ["Completed", 2]
          ]
        )
        const [told] = shown.facts
        assert.deepStrictEqual(
          [String(told!.effect_key), told!.amount],
          ["capture:shown:completed", { value: "12.30", currency: "EUR" }]
        )
        assert.match(shown.facts[0]!.id, /^[0-9a-f-]{36}$/)
        assert.notInclude(JSON.stringify(shown), "SENTINEL")
      })
    )

    it.effect("status counts what is open, by endpoint, and what is not in Kafka yet", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { events, sql, store } = house
        const before = yield* events.status
        const parkedOf = (status: typeof before) =>
          status.endpoints.find((row) => row.endpoint === "paypal")?.parked ?? 0
        yield* park(house, "ev_counted")
        const claim = yield* claimed(store, delivery("ev_counted_unconfirmed"))
        yield* store.fail(claim, { kind: "world", code: "unconfirmed", delayMs: 60_000 })
        const after = yield* events.status
        assert.strictEqual(parkedOf(after), parkedOf(before) + 1)
        const row = after.endpoints.find(({ endpoint: of }) => of === "paypal")!
        assert.isAtLeast(row.unconfirmed, 1)
        assert.isAbove(row.oldest_open_seconds!, 0)
        assert.strictEqual(after.relay.state, "absent")
        const [log] = yield* Effect.promise(
          () => sql<Array<{ count: number }>>`SELECT count(*)::int FROM webhook_event_log
                WHERE type NOT IN ('Claimed', 'Reclaimed', 'Released', 'PayloadMismatch', 'EffectConflict', 'EffectAlreadyRecorded')`
        )
        assert.deepInclude(after.relay, { unpublished: log!.count, unpublished_exact: true, position: null })
        // what a relay published up to now no longer counts
        yield* Effect.promise(
          () => sql`INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id, confirmed_at)
                    SELECT 1, gen_random_uuid(), '1:1:', pg_current_snapshot()::text, max(position), 'c', now() FROM webhook_event_log`
        )
        assert.deepInclude((yield* events.status).relay, { unpublished: 0, unpublished_exact: true })
        yield* park(house, "ev_after_checkpoint")
        const last = yield* events.status
        assert.strictEqual(last.relay.unpublished, 1)
        assert.strictEqual(last.endpoints.find(({ endpoint: of }) => of === "paypal")!.unpublished, 1)
      })
    )

    it.effect(
      "of a backlog too large to count it says what comes next, and for how long that has waited",
      () =>
        Effect.gen(function* () {
          const { events, sql } = yield* setup
          const [{ begin }] = yield* Effect.promise(
            () => sql<[{ begin: string }]>`SELECT pg_current_snapshot()::text AS begin`
          )
          yield* Effect.promise(
            () => sql`INSERT INTO webhook_event_log (provider, dedup_key, version, type, data, at)
                    SELECT 'paypal', 'ev_many' || n, 1, 'Completed', '{}', now() - (40000 - n) * interval '1 second'
                      FROM generate_series(1, 30000) n`
          )
          yield* Effect.promise(
            () => sql`INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id, confirmed_at)
                    SELECT 9, gen_random_uuid(), ${begin}, pg_current_snapshot()::text, max(position) - 5000, 'c', now() FROM webhook_event_log`
          )
          const { endpoints, relay } = yield* events.status
          assert.deepInclude(relay, { unpublished: 5000, unpublished_exact: false })
          assert.closeTo(relay.oldest_unpublished_seconds!, 40_000 - 25_001, 60)
          assert.strictEqual(endpoints.find(({ endpoint: of }) => of === "paypal")!.unpublished, 5000)
        })
    )
  })

  describe("reinterpret", () => {
    const provider = (facts: Record<string, ReturnType<typeof fact>>): Provider => ({
      endpoint,
      aliases: [],
      identify: () => Effect.die("not asked"),
      interpret: ({ body, dedupKey }) =>
        Buffer.from(body).toString() === "fails"
          ? Effect.fail(ProcessFailed.of("world", "provider_unavailable"))
          : Effect.succeed(proving(...(facts[dedupKey] === undefined ? [] : [facts[dedupKey]!])))
    })
    const filter = { eventType: "PAYMENT.ORDER.CREATED", since: new Date(Date.now() - 3_600_000) }
    const unmapped = Effect.fnUntraced(function* ({ store }: Setup, key: string, body = key) {
      yield* store.complete(yield* claimed(store, delivery(key, body)), {
        eventType: "PAYMENT.ORDER.CREATED",
        facts: [],
        note: "unmapped"
      })
    })

    it.effect("books only facts with new effect keys, with who and why; again it does nothing", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { done, sql, store } = house
        yield* store.complete(
          yield* claimed(store, delivery("ev_re_told")),
          proving(fact("order:told", "1.00"))
        )
        for (const key of ["ev_re_new", "ev_re_known", "ev_re_clash", "ev_re_none"])
          yield* unmapped(house, key)
        yield* unmapped(house, "ev_re_fails", "fails")
        yield* house.events.dismiss(name("ev_parked_none"), act).pipe(Effect.ignore)
        const mapped = provider({
          ev_re_new: fact("order:new", "5.00"),
          ev_re_known: fact("order:told", "1.0"),
          ev_re_clash: fact("order:told", "2.00")
        })
        const run = (how: typeof act | "dry run") =>
          Effect.provideService(
            reinterpret(mapped, filter, how, () => Effect.void),
            DoneEvents,
            done
          )
        const wanted = { booked: 1, nothing_new: 2, conflict: 1, changed: 0, failed: 1, sealed: 0 }
        const rows = () => Effect.promise(() => sql`SELECT count(*)::int FROM webhook_event_log`)
        const before = yield* rows()
        assert.deepStrictEqual(yield* run("dry run"), wanted)
        assert.deepStrictEqual(yield* rows(), before)
        assert.deepStrictEqual(yield* run(act), wanted)
        assert.deepStrictEqual(
          (yield* logOf(house, "ev_re_new")).map((line) => [line.type, line.version, line.by]),
          [
            ["Claimed", 1, null],
            ["Completed", 2, null],
            ["BillingEventRecorded", 3, null],
            ["Reinterpreted", 3, "ann"]
          ]
        )
        assert.deepInclude(yield* rowOf(house, "ev_re_new"), { status: "done", version: 3, error_code: null })
        assert.strictEqual((yield* house.events.show(name("ev_re_new"))).facts.length, 1)
        for (const key of ["ev_re_known", "ev_re_clash", "ev_re_none"])
          assert.strictEqual((yield* rowOf(house, key)).version, 2)
        assert.deepStrictEqual(yield* run(act), { ...wanted, booked: 0 })
      })
    )

    it.effect("takes its turn with completions: an answer that may be older books nothing", () =>
      Effect.gen(function* () {
        const house = yield* setup
        const { store } = house
        const told = (...facts: Interpretation["facts"]) => ({ ...proving(), facts, stateOf: "pk_re" })
        const received = told({ fact: fact("deposit:pk_re:received:t1") })
        const withdrawn = told({
          fact: fact("deposit:pk_re:withdrawn:t2"),
          onlyAfter: "deposit:pk_re:received:"
        })
        yield* unmapped(house, "ev_re_state")
        const run = (interpret: Provider["interpret"]) =>
          Effect.provideService(
            reinterpret({ ...provider({}), interpret }, filter, act, () => Effect.void),
            DoneEvents,
            house.done
          )
        const deposit = yield* claimed(store, delivery("ev_re_deposit"))
        const asked = ({ dedupKey }: { dedupKey: string }, meanwhile: Effect.Effect<void>) =>
          dedupKey === "ev_re_state" ? Effect.as(meanwhile, withdrawn) : Effect.succeed(proving())
        assert.deepInclude(
          yield* run((event) => asked(event, Effect.orDie(store.complete(deposit, received)))),
          { booked: 0, changed: 1 }
        )
        const late = yield* claimed(store, delivery("ev_re_late"))
        assert.deepInclude(yield* run((event) => asked(event, Effect.void)), { booked: 1, changed: 0 })
        assert.strictEqual((yield* Effect.flip(store.complete(late, received)))._tag, "AnswerOutdated")
      })
    )

    it.effect("two at the same moment book once", () =>
      Effect.gen(function* () {
        const house = yield* setup
        for (let round = 0; round < 10; round++) {
          const key = `ev_re_race_${round}`
          yield* unmapped(house, key)
          const mapped = provider({ [key]: fact(`order:race:${round}`) })
          const results = yield* Effect.all(
            Array.from({ length: 3 }, () =>
              Effect.provideService(
                reinterpret(mapped, filter, act, () => Effect.void),
                DoneEvents,
                house.done
              )
            ),
            { concurrency: 3 }
          )
          assert.strictEqual(
            results.reduce((sum, { booked }) => sum + booked, 0),
            1
          )
          assert.strictEqual((yield* rowOf(house, key)).version, 3)
        }
      })
    )
  })
})
