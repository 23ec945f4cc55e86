import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { BillingFact } from "../../../src/domain/BillingFact.ts"
import { startCuttingProxy } from "../../support/CuttingProxy.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { claimed, delivery, fact, openStore, proving } from "../../support/Store.ts"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/ProvenSchema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

/** A delivery that proves these facts by itself. */
const proven = (key: string, facts: ReadonlyArray<BillingFact>, body = key) => {
  const request = delivery(key, body, { transmission: key })
  return { ...request, identity: { ...request.identity, proven: proving(...facts) } }
}

layer(Schema.layer, { excludeTestServices: true, timeout: "1 minute" })(
  "a delivery that proves its facts",
  (it) => {
    const row = (key: string) =>
      Effect.flatMap(Schema, ({ sql }) =>
        Effect.map(
          Effect.promise(
            () =>
              sql`SELECT status, fence, version, lease_until FROM webhook_dedup_events WHERE dedup_key = ${key}`
          ),
          ([found]) => ({ ...found })
        )
      )
    const logOf = (key: string) =>
      Effect.flatMap(Schema, ({ sql }) =>
        Effect.map(
          Effect.promise(
            () => sql<Array<{ entry: string }>>`
              SELECT type || ' ' || version AS entry FROM webhook_event_log WHERE dedup_key = ${key} ORDER BY position`
          ),
          (found) => found.map(({ entry }) => entry)
        )
      )
    const done = { status: "done", fence: 1, version: 2, lease_until: null }

    it.effect("is claimed and completed in one commit, with its custody", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        const answer = yield* store.claim(proven("ev_p1", [fact("capture:p1:completed"), fact("fee:p1")]))
        assert.deepStrictEqual(answer, { _tag: "Completed" })
        assert.deepStrictEqual(yield* row("ev_p1"), done)
        assert.deepStrictEqual(yield* logOf("ev_p1"), [
          "Claimed 1",
          "BillingEventRecorded 2",
          "BillingEventRecorded 2",
          "Completed 2"
        ])
        const [kept] = yield* Effect.promise(
          () => sql<Array<{ kept: number }>>`
            SELECT count(*)::int AS kept FROM webhook_payloads WHERE dedup_key = 'ev_p1'`
        )
        assert.strictEqual(kept!.kept, 1)
        assert.deepStrictEqual(yield* store.claim(proven("ev_p1", [fact("capture:p1:completed")])), {
          _tag: "Duplicate",
          state: "done"
        })
      })
    )

    it.effect("one that tells a state is only claimed: its completion takes its turn", () =>
      Effect.gen(function* () {
        const store = yield* openStore((yield* Schema).url)
        const request = proven("ev_p_state", [fact("deposit:p_state:received:t1")])
        const told = { ...request.identity.proven, stateOf: "p_state" }
        const answer = yield* store.claim({ ...request, identity: { ...request.identity, proven: told } })
        assert.strictEqual(answer._tag, "Claimed")
      })
    )

    it.effect("twins of it are duplicates of what is done", () =>
      Effect.gen(function* () {
        const store = yield* openStore((yield* Schema).url)
        const answers = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => store.claim(proven("ev_p2", [fact("capture:p2:completed")])),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(answers.filter(({ _tag }) => _tag === "Completed").length, 1)
        assert.strictEqual(
          answers.filter((one) => one._tag === "Duplicate" && one.state === "done").length,
          19
        )
        assert.deepStrictEqual(yield* logOf("ev_p2"), [
          "Claimed 1",
          "BillingEventRecorded 2",
          "Completed 2",
          "DuplicateSeen 2"
        ])
      })
    )

    it.effect("a lost reply is resolved by its token: completed, and booked once", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const target = new URL(url)
        const proxy = yield* startCuttingProxy(target.hostname, Number(target.port))
        const through = new URL(url)
        through.port = String(proxy.port)
        const store = yield* openStore(through.href, { connections: 1 })
        yield* store.claim(proven("ev_p3", []))
        yield* store.claim(proven("ev_p3", [])) // both statements are prepared now
        proxy.arm()
        const answer = yield* store.claim(proven("ev_p4", [fact("capture:p4:completed")]))
        assert.strictEqual(proxy.cuts(), 1)
        assert.deepStrictEqual(answer, { _tag: "Completed" })
        assert.deepStrictEqual(yield* logOf("ev_p4"), ["Claimed 1", "BillingEventRecorded 2", "Completed 2"])
      })
    )

    it.effect("a forged one books nothing", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        yield* store.claim(proven("ev_p5", [fact("capture:p5:completed")]))
        const forged = proven("ev_p5", [fact("capture:p5:forged")], "another body")
        assert.deepStrictEqual(yield* store.claim(forged), { _tag: "Forged" })
        const booked = yield* Effect.promise(
          () => sql`SELECT FROM billing_effects WHERE effect_key = 'capture:p5:forged'`
        )
        assert.strictEqual(booked.length, 0)
      })
    )

    it.effect("a duplicate with other facts under a known key books nothing", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        yield* store.claim(proven("ev_p6", [fact("capture:p6:completed")]))
        assert.deepStrictEqual(yield* store.claim(proven("ev_p6", [fact("capture:p6:again")])), {
          _tag: "Duplicate",
          state: "done"
        })
        const booked = yield* Effect.promise(
          () => sql`SELECT FROM billing_effects WHERE effect_key = 'capture:p6:again'`
        )
        assert.strictEqual(booked.length, 0)
      })
    )

    it.effect("a fact that is booked already is told so; with another amount it is only claimed", () =>
      Effect.gen(function* () {
        const store = yield* openStore((yield* Schema).url)
        yield* store.claim(proven("ev_p7", [fact("capture:p7:completed")]))
        yield* store.claim(proven("ev_p8", [fact("capture:p7:completed")]))
        assert.deepStrictEqual(yield* logOf("ev_p8"), ["Claimed 1", "EffectAlreadyRecorded 2", "Completed 2"])
        const other = fact("capture:p7:completed", "99.00")
        const claim = yield* claimed(store, proven("ev_p9", [other]))
        const conflict = yield* Effect.flip(store.complete(claim, proving(other)))
        assert.strictEqual(conflict._tag, "EffectConflict")
      })
    )

    it.effect("one fact told by many events at the same moment, at three gates, is booked once", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const stores = yield* Effect.forEach([1, 2, 3], () => openStore(url))
        const effects = Array.from({ length: 150 }, (_, index) => `capture:meet_${index}:completed`)
        yield* Effect.forEach(
          stores,
          (store, gate) =>
            Effect.forEach(
              gate === 1 ? effects.toReversed() : effects,
              (effect) =>
                gate === 2 // the longer way meets the shorter one
                  ? Effect.flatMap(claimed(store, delivery(`ev_${gate}_${effect}`)), (claim) =>
                      store.complete(claim, proving(fact(effect)))
                    )
                  : store.claim(proven(`ev_${gate}_${effect}`, [fact(effect)])),
              { concurrency: "unbounded" }
            ),
          { concurrency: 3 }
        )
        const [count] = yield* Effect.promise(
          () => sql`SELECT count(*) FILTER (WHERE type = 'BillingEventRecorded')::int AS booked,
                           count(*) FILTER (WHERE type = 'EffectAlreadyRecorded')::int AS met
                      FROM webhook_event_log WHERE dedup_key LIKE '%meet%'`
        )
        assert.deepStrictEqual({ ...count }, { booked: 150, met: 300 })
      })
    )

    it.effect("one fact told by two events of one group is booked once", () =>
      Effect.gen(function* () {
        const store = yield* openStore((yield* Schema).url)
        const answers = yield* Effect.forEach(
          ["ev_p10", "ev_p11"],
          (key) => store.claim(proven(key, [fact("capture:p10:completed")])),
          { concurrency: 2 }
        )
        assert.deepStrictEqual(answers, [{ _tag: "Completed" }, { _tag: "Completed" }])
        const told = [...(yield* logOf("ev_p10")), ...(yield* logOf("ev_p11"))]
        assert.strictEqual(told.filter((entry) => entry.startsWith("BillingEventRecorded")).length, 1)
        assert.strictEqual(told.filter((entry) => entry.startsWith("EffectAlreadyRecorded")).length, 1)
      })
    )

    it.effect("facts that the database refuses do not cost the claim", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        yield* Effect.promise(
          () => sql`ALTER TABLE billing_effects ADD CONSTRAINT c_bad CHECK (effect_key <> 'capture:bad')`
        )
        const store = yield* openStore(url)
        const answers = yield* Effect.forEach(
          ["capture:good_1", "capture:bad", "capture:good_2"],
          (effect) => store.claim(proven(`ev_${effect}`, [fact(effect)])),
          { concurrency: "unbounded" }
        )
        yield* Effect.promise(() => sql`ALTER TABLE billing_effects DROP CONSTRAINT c_bad`)
        assert.deepStrictEqual(
          answers.map(({ _tag }) => _tag as string),
          ["Completed", "Claimed", "Completed"]
        )
      })
    )
  }
)
