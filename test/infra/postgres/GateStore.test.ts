import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { StoreUnavailable } from "../../../src/domain/GateStore.ts"
import { startCuttingProxy } from "../../support/CuttingProxy.ts"
import { migratedSchema, until } from "../../support/Gate.ts"
import { claimed, delivery, endpoint, fact, openStore, proving } from "../../support/Store.ts"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

layer(Schema.layer, { excludeTestServices: true, timeout: "3 minutes" })("the store", (it) => {
  const rows = (key: string) =>
    Effect.flatMap(Schema, ({ sql }) =>
      Effect.promise(
        () =>
          sql<Array<{ status: string; fence: number; error_code: string | null }>>`
            SELECT status, fence, error_code FROM webhook_dedup_events WHERE dedup_key = ${key}`
      )
    )
  const logOf = (key: string) =>
    Effect.flatMap(Schema, ({ sql }) =>
      Effect.map(
        Effect.promise(
          () =>
            sql<
              Array<{ type: string }>
            >`SELECT type FROM webhook_event_log WHERE dedup_key = ${key} ORDER BY position`
        ),
        (found) => found.map(({ type }) => type)
      )
    )

  describe("claims", () => {
    it.effect("eight gates, a thousand deliveries each at the same moment: one claim a key, no error", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const stores = yield* Effect.forEach(Array.from({ length: 8 }), () =>
          openStore(url, { connections: 2 })
        )
        const keys = Array.from({ length: 1_000 }, (_, index) => `ev_eight_${index}`)
        const answers = yield* Effect.forEach(
          stores,
          (store, index) =>
            Effect.forEach(
              // each gate in an order of its own
              keys.map((_, at) => keys[(at * 7 + index * 131) % keys.length]!),
              (key) =>
                Effect.map(store.claim(delivery(key, key, { transmission: key })), (answer) => ({
                  key,
                  answer
                })),
              { concurrency: "unbounded" }
            ),
          { concurrency: "unbounded" }
        )
        const claims = answers.flat().filter(({ answer }) => answer._tag === "Claimed")
        assert.strictEqual(claims.length, 1_000)
        assert.strictEqual(new Set(claims.map(({ key }) => key)).size, 1_000)
        assert.isTrue(
          answers.flat().every(({ answer }) => answer._tag === "Claimed" || answer._tag === "Duplicate")
        )
      })
    )

    it.effect("twins that wait together are one row and one note with their count", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        yield* Effect.forEach(Array.from({ length: 20 }), () => store.claim(delivery("ev_twins")), {
          concurrency: "unbounded"
        })
        const [note] = yield* Effect.promise(
          () => sql<Array<{ notes: number; count: number }>>`
            SELECT count(*)::int AS notes, sum((data->>'count')::int)::int AS count FROM webhook_event_log
             WHERE dedup_key = 'ev_twins' AND type = 'DuplicateSeen'`
        )
        assert.deepStrictEqual({ ...note }, { notes: 1, count: 19 })
      })
    )

    it.effect("a lost reply of a claim is resolved by its token: claimed, and once", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const target = new URL(url)
        const proxy = yield* startCuttingProxy(target.hostname, Number(target.port))
        const through = new URL(url)
        through.port = String(proxy.port)
        const store = yield* openStore(through.href, { connections: 1 })
        yield* claimed(store, delivery("ev_warm_1"))
        yield* store.claim(delivery("ev_warm_1")) // both statements are prepared now
        proxy.arm()
        const claim = yield* claimed(store, delivery("ev_lost_reply"))
        assert.strictEqual(proxy.cuts(), 1)
        assert.strictEqual(claim.fence, 1)
        assert.deepStrictEqual(yield* logOf("ev_lost_reply"), ["Claimed"])
      })
    )

    it.effect("a second body under a transmission that another gate is about to commit is forged", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        const other = yield* Effect.promise(() => sql.reserve())
        const [{ pid }] = yield* Effect.promise(
          () => other<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
        )
        yield* Effect.promise(() => other`BEGIN`)
        yield* Effect.promise(
          () => other`INSERT INTO webhook_transmissions (provider, transmission_id, crc32, request_hash)
                      VALUES ('paypal', 'tr_race', 1, 'of another body')`
        )
        const claim = yield* Effect.forkChild(
          store.claim(delivery("ev_tr_race", "forged", { transmission: "tr_race" }))
        )
        yield* until(
          async () =>
            (await sql`SELECT FROM pg_stat_activity WHERE ${pid} = ANY (pg_blocking_pids(pid))`).length > 0
        )
        yield* Effect.promise(() => other`COMMIT`)
        other.release()
        assert.deepStrictEqual(yield* Fiber.join(claim), { _tag: "Forged" })
        assert.isEmpty(yield* rows("ev_tr_race"))
      })
    )

    it.effect("a failed event is re-claimed by a later delivery, with its body kept (AC4)", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const store = yield* openStore(url, { policy: { backoffBaseMs: 0 } })
        const first = yield* claimed(store, delivery("ev_again"))
        yield* store.fail(first, { kind: "event", code: "unexpected", delayMs: 60_000 })
        const second = yield* claimed(store, delivery("ev_again"))
        assert.deepInclude(second, { because: "redelivered", failures: 1 })
        assert.strictEqual(second.fence, 2)
        yield* store.complete(second, proving())
        assert.deepInclude((yield* rows("ev_again"))[0], { status: "done", fence: 2 })
      })
    )

    it.effect("a row that names base columns only is taken over by the next delivery", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const request = delivery("ev_base_only")
        yield* Effect.promise(
          () => sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status, request_hash)
                    VALUES ('paypal', 'ev_base_only', 'processing', ${request.delivery.hash})`
        )
        const claim = yield* claimed(yield* openStore(url), request)
        assert.deepInclude(claim, { because: "lease_expired" })
      })
    )
  })

  it.effect("a failure that names base columns only is due at once: the retry lane takes it", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* Schema
      yield* Effect.promise(
        () => sql`INSERT INTO webhook_dedup_events (provider, dedup_key) VALUES ('paypal', 'ev_base_failed')`
      )
      yield* Effect.promise(
        () => sql`UPDATE webhook_dedup_events SET status = 'failed' WHERE dedup_key = 'ev_base_failed'`
      )
      const { due } = yield* (yield* openStore(url)).take(endpoint, "retry", 100)
      assert.deepInclude(
        due.find(({ claim }) => claim.dedupKey === "ev_base_failed"),
        { body: "no_custody" }
      )
    })
  )

  describe("fences", () => {
    it.effect("a worker that lost its claim books nothing and is told so; the survivor books", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const [slow, quick] = [yield* openStore(url, { policy: { leaseMs: 0 } }), yield* openStore(url)]
        const first = yield* claimed(slow, delivery("ev_fenced"))
        const second = yield* claimed(quick, delivery("ev_fenced"))
        const late = yield* Effect.flip(slow.complete(first, proving(fact("capture:fenced:completed"))))
        assert.strictEqual(late._tag, "ClaimLost")
        assert.strictEqual(
          (yield* Effect.flip(slow.fail(first, { kind: "event", code: "unexpected", delayMs: 0 })))._tag,
          "ClaimLost"
        )
        assert.strictEqual((yield* Effect.flip(slow.renew(first)))._tag, "ClaimLost")
        const booked = () =>
          Effect.promise(
            () => sql`SELECT 1 FROM billing_effects WHERE effect_key = 'capture:fenced:completed'`
          )
        assert.strictEqual((yield* booked()).length, 0)
        yield* quick.complete(second, proving(fact("capture:fenced:completed")))
        assert.strictEqual((yield* booked()).length, 1)
        // and after the end, the loser is still not told that it succeeded
        assert.strictEqual((yield* Effect.flip(slow.complete(first, proving())))._tag, "ClaimLost")
      })
    )

    it.effect("a lost reply of a completion is our own success, and books once", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const target = new URL(url)
        const proxy = yield* startCuttingProxy(target.hostname, Number(target.port))
        const through = new URL(url)
        through.port = String(proxy.port)
        const store = yield* openStore(through.href, { connections: 1 })
        yield* store.complete(yield* claimed(store, delivery("ev_warm_2")), proving())
        const claim = yield* claimed(store, delivery("ev_lost_completion"))
        proxy.arm()
        yield* store.complete(claim, proving(fact("capture:lost_completion:completed")))
        assert.strictEqual(proxy.cuts(), 1)
        assert.deepStrictEqual(yield* logOf("ev_lost_completion"), [
          "Claimed",
          "BillingEventRecorded",
          "Completed"
        ])
      })
    )

    it.effect(
      "the guard refuses any writer: done is final, a claim needs the next fence, the log only grows",
      () =>
        Effect.gen(function* () {
          const { sql, url } = yield* Schema
          const store = yield* openStore(url)
          yield* store.complete(yield* claimed(store, delivery("ev_guarded")), proving())
          yield* claimed(store, delivery("ev_guarded_open"))
          const refused = (statement: string) =>
            Effect.promise(() =>
              sql.unsafe(statement).then(
                () => "done",
                (error: { code: string }) => error.code
              )
            )
          const where = (key: string) => `WHERE provider = 'paypal' AND dedup_key = '${key}'`
          for (const statement of [
            `UPDATE webhook_dedup_events SET status = 'failed' ${where("ev_guarded")}`,
            `UPDATE webhook_dedup_events SET status = 'processing', fence = fence + 1 ${where("ev_guarded")}`,
            `UPDATE webhook_dedup_events SET fence = fence + 2 ${where("ev_guarded_open")}`,
            `UPDATE webhook_dedup_events SET fence = fence - 1 ${where("ev_guarded_open")}`,
            `UPDATE webhook_dedup_events SET dedup_key = 'ev_other' ${where("ev_guarded_open")}`,
            `UPDATE webhook_dedup_events SET request_hash = 'x' ${where("ev_guarded_open")}`,
            `DELETE FROM webhook_dedup_events ${where("ev_guarded_open")}`,
            `UPDATE webhook_event_log SET type = 'x' ${where("ev_guarded")}`,
            `DELETE FROM webhook_event_log ${where("ev_guarded")}`,
            "TRUNCATE webhook_event_log"
          ])
            assert.strictEqual(yield* refused(statement), "OG002", statement)
        })
    )
  })

  describe("effects", () => {
    it.effect("one fact told by two events is booked once; with another amount it is a conflict", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const store = yield* openStore(url)
        const told = proving(fact("capture:twice:completed", "10.50"))
        yield* store.complete(yield* claimed(store, delivery("ev_first")), told)
        yield* store.complete(
          yield* claimed(store, delivery("ev_second")),
          proving(fact("capture:twice:completed", "10.5"))
        )
        assert.deepStrictEqual(yield* logOf("ev_second"), ["Claimed", "EffectAlreadyRecorded", "Completed"])
        const third = yield* claimed(store, delivery("ev_third"))
        const conflict = yield* Effect.flip(
          store.complete(third, proving(fact("capture:twice:completed", "99.00")))
        )
        assert.strictEqual(conflict._tag, "EffectConflict")
        assert.deepInclude((yield* rows("ev_third"))[0], { status: "processing" })
      })
    )

    it.effect(
      "a fact that somebody books at this moment, with another amount, is a conflict all the same",
      () =>
        Effect.gen(function* () {
          const { sql, url } = yield* Schema
          const store = yield* openStore(url)
          const claim = yield* claimed(store, delivery("ev_amount_raced"))
          let completing: Promise<string> | undefined
          yield* Effect.promise(() =>
            sql.begin(async (transaction) => {
              await transaction`
              INSERT INTO billing_effects (provider, effect_key, dedup_key, digest)
              VALUES ('paypal', 'amount:raced', 'ev_of_another', ${"0".repeat(64)})`
              completing = Effect.runPromise(
                Effect.match(store.complete(claim, proving(fact("amount:raced"))), {
                  onSuccess: () => "done",
                  onFailure: ({ _tag }) => _tag
                })
              )
              // Committed once the completion, whose snapshot cannot see it, waits for it.
              const isWaitedFor = async () => {
                const waiting = await transaction`
                SELECT FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid`
                return waiting.length > 0
              }
              while (!(await isWaitedFor())) await transaction`SELECT pg_sleep(0.01)`
            })
          )
          assert.strictEqual(yield* Effect.promise(() => completing!), "EffectConflict")
          assert.strictEqual((yield* rows("ev_amount_raced"))[0]!.status, "processing")
        })
    )

    it.effect("two gates that book the same facts in opposite order neither deadlock nor double", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const stores = [yield* openStore(url), yield* openStore(url)]
        const effects = Array.from({ length: 200 }, (_, index) => `capture:opposite_${index}:completed`)
        yield* Effect.forEach(
          stores,
          (store, gate) =>
            Effect.forEach(
              gate === 0 ? effects : effects.toReversed(),
              (effect) =>
                Effect.flatMap(claimed(store, delivery(`ev_${gate}_${effect}`)), (claim) =>
                  store.complete(claim, proving(fact(effect)))
                ),
              { concurrency: "unbounded" }
            ),
          { concurrency: 2 }
        )
        const [count] = yield* Effect.promise(
          () => sql`SELECT count(*)::int AS booked FROM webhook_event_log
                     WHERE type = 'BillingEventRecorded' AND dedup_key LIKE '%opposite%'`
        )
        assert.deepStrictEqual({ ...count }, { booked: 200 })
      })
    )

    it.effect("a withdrawal is booked only where a deposit was received", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const store = yield* openStore(url)
        const withdrawn = (key: string) => ({
          ...proving(),
          facts: [{ fact: fact(`deposit:${key}:withdrawn:t1`), onlyAfter: `deposit:${key}:received:` }]
        })
        yield* store.complete(yield* claimed(store, delivery("ev_w1")), withdrawn("pk1"))
        assert.deepStrictEqual(yield* logOf("ev_w1"), ["Claimed", "Completed"])
        yield* store.complete(
          yield* claimed(store, delivery("ev_w2")),
          proving(fact("deposit:pk2:received:2026"))
        )
        yield* store.complete(yield* claimed(store, delivery("ev_w3")), withdrawn("pk2"))
        assert.deepStrictEqual(yield* logOf("ev_w3"), ["Claimed", "BillingEventRecorded", "Completed"])
      })
    )
  })

  describe("failures", () => {
    it.effect("are parked by kind and count; a re-drivable failure is due on the database's clock", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const store = yield* openStore(url, { policy: { backoffBaseMs: 0 } })
        const permanent = yield* claimed(store, delivery("ev_permanent"))
        assert.strictEqual(
          yield* store.fail(permanent, { kind: "permanent", code: "uninterpretable", delayMs: 0 }),
          "parked"
        )
        yield* claimed(store, delivery("ev_counted")).pipe(
          Effect.flatMap((claim) => store.fail(claim, { kind: "event", code: "unexpected", delayMs: 0 }))
        )
        const results: Array<string> = []
        for (let attempt = 2; attempt <= 3; attempt += 1) {
          const { due } = yield* store.take(endpoint, "retry", 10)
          const again = due.find(({ claim }) => claim.dedupKey === "ev_counted")!
          results.push(yield* store.fail(again.claim, { kind: "event", code: "unexpected", delayMs: 0 }))
        }
        assert.deepStrictEqual(results, ["retry_scheduled", "parked"])
        assert.deepStrictEqual(yield* logOf("ev_counted"), [
          "Claimed",
          "Failed",
          "Reclaimed",
          "Failed",
          "Reclaimed",
          "Parked"
        ])
      })
    )

    it.effect("an expired claim is taken with its body by whoever looks first, and by nobody else", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const dying = yield* openStore(url, { policy: { leaseMs: 0 } })
        const keys = Array.from({ length: 50 }, (_, index) => `ev_dying_${index}`)
        yield* Effect.forEach(keys, (key) => claimed(dying, delivery(key, `body of ${key}`)), {
          concurrency: "unbounded"
        })
        const survivors = yield* Effect.forEach([1, 2, 3], () => openStore(url))
        const taken = yield* Effect.forEach(survivors, (store) => store.take(endpoint, "rescue", 1_000), {
          concurrency: 3
        })
        const found = taken
          .flatMap(({ due }) => due)
          .filter(({ claim }) => claim.dedupKey.startsWith("ev_dying_"))
        assert.deepStrictEqual(found.map(({ claim }) => claim.dedupKey as string).sort(), keys.toSorted())
        for (const { body, claim } of found)
          assert.strictEqual(Buffer.from(body as Uint8Array).toString(), `body of ${claim.dedupKey}`)
      })
    )

    it.effect("what another session holds is passed by: a rescuer waits for nobody, and takes the rest", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const dying = yield* openStore(url, { policy: { leaseMs: 0 } })
        for (const key of ["ev_passed_by", "ev_taken_beside"]) yield* claimed(dying, delivery(key))
        const store = yield* openStore(url)
        const { due } = yield* Effect.promise(() =>
          sql.begin(async (transaction) => {
            await transaction`SELECT 1 FROM webhook_dedup_events WHERE dedup_key = 'ev_passed_by' FOR UPDATE`
            return Effect.runPromise(store.take(endpoint, "rescue", 1_000))
          })
        )
        const keys = due.map(({ claim }) => claim.dedupKey as string)
        assert.include(keys, "ev_taken_beside")
        assert.notInclude(keys, "ev_passed_by")
      })
    )

    it.effect("a body that comes to an event whose attempts are spent is kept all the same", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        yield* Effect.promise(
          () =>
            sql`INSERT INTO webhook_dedup_events (provider, dedup_key) VALUES ('paypal', 'ev_spent_bodiless')`
        )
        const store = yield* openStore(url, { policy: { maxAttempts: 1 } })
        assert.deepStrictEqual(yield* store.claim(delivery("ev_spent_bodiless")), {
          _tag: "Duplicate",
          state: "parked"
        })
        const kept = yield* Effect.promise(
          () => sql`SELECT FROM webhook_payloads WHERE dedup_key = 'ev_spent_bodiless'`
        )
        assert.strictEqual(kept.length, 1)
      })
    )

    it.effect("a database error leaves as a code: no text, no value", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const sentinel = "SENTINEL_4111111111111111"
        yield* Effect.promise(() =>
          sql.unsafe(
            `ALTER TABLE webhook_payloads ADD CONSTRAINT c_test CHECK (dedup_key <> 'ev_${sentinel}')`
          )
        )
        const error = yield* Effect.flip((yield* openStore(url)).claim(delivery(`ev_${sentinel}`, sentinel)))
        yield* Effect.promise(() => sql`ALTER TABLE webhook_payloads DROP CONSTRAINT c_test`)
        assert.instanceOf(error, StoreUnavailable)
        assert.strictEqual(error.code, "23514")
        assert.notInclude(JSON.stringify(error) + String(error.stack), sentinel)
        assert.deepStrictEqual(yield* rows(`ev_${sentinel}`).pipe(Effect.map((found) => found.length)), 0)
      })
    )

    it.effect("a row that another session holds fails alone: the others of its group are claimed", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url, { policy: { backoffBaseMs: 0 } })
        const held = yield* claimed(store, delivery("ev_held"))
        yield* store.fail(held, { kind: "world", code: "provider_unavailable", delayMs: 60_000 })
        const answers = yield* Effect.promise(() =>
          sql.begin(async (transaction) => {
            await transaction`SELECT 1 FROM webhook_dedup_events WHERE dedup_key = 'ev_held' FOR UPDATE`
            return Effect.runPromise(
              Effect.forEach(
                ["ev_held", "ev_beside_1", "ev_beside_2"],
                (key) =>
                  Effect.match(store.claim(delivery(key)), {
                    onSuccess: ({ _tag }): string => _tag,
                    onFailure: ({ code }) => code
                  }),
                { concurrency: "unbounded" }
              )
            )
          })
        )
        assert.deepStrictEqual(answers, ["55P03", "Claimed", "Claimed"])
      })
    )

    it.effect("a claim does not wait for each of many rows that another session holds", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url, { policy: { backoffBaseMs: 0 } })
        const keys = Array.from({ length: 24 }, (_, n) => `ev_kept_${n}`)
        yield* Effect.forEach(
          keys,
          (key) =>
            Effect.flatMap(claimed(store, delivery(key)), (claim) =>
              store.fail(claim, { kind: "world", code: "provider_unavailable", delayMs: 0 })
            ),
          { concurrency: "unbounded", discard: true }
        )
        const codeOf = (key: string) =>
          Effect.match(store.claim(delivery(key)), {
            onSuccess: ({ _tag }): string => _tag,
            onFailure: ({ code }) => code
          })
        const waitedMs = yield* Effect.promise(() =>
          sql.begin(async (transaction) => {
            await transaction`SELECT 1 FROM webhook_dedup_events WHERE dedup_key LIKE 'ev_kept_%' FOR UPDATE`
            // Two groups: as many as are under way at once.
            const groups = [keys.slice(0, 12), keys.slice(12)].map((half) =>
              Effect.runPromise(Effect.forEach(half, codeOf, { concurrency: "unbounded" }))
            )
            const begun = performance.now()
            const other = Effect.runPromise(codeOf("ev_unheld")).then((came) => {
              assert.strictEqual(came, "Claimed")
              return performance.now() - begun
            })
            const held = await Promise.all(groups)
            assert.deepStrictEqual([...new Set(held.flat())], ["55P03"])
            return other
          })
        )
        // One look at all, one at each of two for as long: 2 s each.
        assert.isBelow(waitedMs, 9_000)
      })
    )

    it.effect("a body that broke in custody is replaced by the next delivery of it", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url, { policy: { leaseMs: 0 } })
        yield* claimed(store, delivery("ev_broken"))
        yield* Effect.promise(
          () => sql`UPDATE webhook_payloads SET sealed = sealed || '\\x00' WHERE dedup_key = 'ev_broken'`
        )
        const { due } = yield* store.take(endpoint, "rescue", 100)
        const broken = due.find(({ claim }) => claim.dedupKey === "ev_broken")!
        assert.strictEqual(broken.body, "custody_broken")
        yield* store.fail(broken.claim, { kind: "permanent", code: "custody_broken", delayMs: 0 })
        yield* claimed(store, delivery("ev_broken"))
        const again = (yield* store.take(endpoint, "rescue", 100)).due.find(
          ({ claim }) => claim.dedupKey === "ev_broken"
        )!
        assert.strictEqual(Buffer.from(again.body as Uint8Array).toString(), "ev_broken")
      })
    )

    it.effect("a worker whose event was parked and dismissed is not told that it succeeded", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        const claim = yield* claimed(store, delivery("ev_dismissed"))
        yield* Effect.promise(
          () => sql`UPDATE webhook_dedup_events SET status = 'done', error_code = 'dismissed', lease_until = NULL
                     WHERE dedup_key = 'ev_dismissed'`
        )
        assert.strictEqual((yield* Effect.flip(store.complete(claim, proving())))._tag, "ClaimLost")
      })
    )

    it.effect("one bad row never fails its group", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        yield* Effect.promise(
          () => sql`ALTER TABLE webhook_payloads ADD CONSTRAINT c_bad CHECK (dedup_key <> 'ev_bad')`
        )
        const store = yield* openStore(url)
        const answers = yield* Effect.forEach(
          ["ev_good_1", "ev_bad", "ev_good_2"],
          (key) =>
            Effect.match(store.claim(delivery(key)), {
              onSuccess: ({ _tag }) => _tag,
              onFailure: ({ _tag }) => _tag
            }),
          { concurrency: "unbounded" }
        )
        yield* Effect.promise(() => sql`ALTER TABLE webhook_payloads DROP CONSTRAINT c_bad`)
        assert.deepStrictEqual(answers as ReadonlyArray<string>, ["Claimed", "StoreUnavailable", "Claimed"])
      })
    )
  })
})
