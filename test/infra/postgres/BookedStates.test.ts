import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import type { Claim, GateStore } from "../../../src/domain/GateStore.ts"
import type { Interpretation, ProposedFact } from "../../../src/domain/Provider.ts"
import { migratedSchema, until } from "../../support/Gate.ts"
import { claimed, delivery, endpoint, fact, openStore } from "../../support/Store.ts"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}
type Store = typeof GateStore.Service

/** What the provider said of a virtual account at one moment. */
const told = (account: string, ...facts: ReadonlyArray<ProposedFact>): Interpretation => ({
  eventType: "PAYMENT_STATUS_CHANGED",
  facts,
  note: null,
  stateOf: account
})
const of = (account: string, effectKey: string) => ({ ...fact(effectKey), payment_reference: account })
const waiting = (account: string, transaction: string) =>
  told(
    account,
    { fact: of(account, `deposit:${account}:awaiting`) },
    {
      fact: of(account, `deposit:${account}:withdrawn:${transaction}`),
      onlyAfter: `deposit:${account}:received:`
    }
  )
const paid = (account: string, ...more: ReadonlyArray<string>) =>
  told(account, ...[`deposit:${account}:received:t1`, ...more].map((key) => ({ fact: of(account, key) })))

/** `done`, or why it is not. */
const completed = (store: Store, claim: Claim, interpretation: Interpretation) =>
  Effect.match(store.complete(claim, interpretation), {
    onSuccess: () => "done",
    onFailure: ({ _tag }): string => _tag
  })

/** Puts the event off, as an attempt does whose answer is outdated, and claims it anew. */
const askedAgain = Effect.fnUntraced(function* (store: Store, claim: Claim) {
  yield* store.fail(claim, { kind: "world", code: "not_visible_yet", delayMs: 0 })
  const { due } = yield* store.take(endpoint, "retry", 100)
  return due.find((one) => one.claim.dedupKey === claim.dedupKey)!.claim
})

layer(Schema.layer, { excludeTestServices: true, timeout: "1 minute" })(
  "what was told of a virtual account",
  (it) => {
    const booked = (account: string) =>
      Effect.flatMap(Schema, ({ sql }) =>
        Effect.map(
          Effect.promise(
            () => sql<Array<{ key: string }>>`
              SELECT data->'fact'->>'effect_key' AS key FROM webhook_event_log
               WHERE type = 'BillingEventRecorded' AND data->'fact'->>'effect_key' LIKE ${`deposit:${account}:%`}
               ORDER BY position`
          ),
          (rows) => rows.map(({ key }) => key.slice(`deposit:${account}:`.length))
        )
      )

    it.effect.each(["one gate", "two gates"])(
      "%s: a withdrawal sees the deposit whose completion was under way when its own began",
      (gates) =>
        Effect.gen(function* () {
          const { sql, url } = yield* Schema
          const store = yield* openStore(url)
          const other = gates === "one gate" ? store : yield* openStore(url)
          const account = `pk_under_way_${gates.replace(" ", "_")}`
          const deposit = yield* claimed(store, delivery(`${account}_paid`))
          const holder = yield* Effect.promise(() => sql.reserve())
          const [{ pid }] = yield* Effect.promise(
            () => holder<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
          )
          const heldUpBy = (by: number) =>
            sql<
              Array<{ pid: number }>
            >`SELECT pid FROM pg_stat_activity WHERE ${by} = ANY (pg_blocking_pids(pid))`
          yield* Effect.promise(() => holder`BEGIN`)
          yield* Effect.promise(
            () => holder`INSERT INTO billing_effects (provider, effect_key, dedup_key, digest)
                         VALUES ('paypal', ${`held:${account}`}, 'of another', 'x')`
          )
          const first = yield* Effect.forkChild(completed(store, deposit, paid(account, `held:${account}`)))
          const open = yield* until(async () => (await heldUpBy(pid))[0])
          // Claimed, and so asked for, after all that the deposit's completion did but its commit.
          const withdrawal = yield* claimed(other, delivery(`${account}_withdrawn`))
          const second = yield* Effect.forkChild(completed(other, withdrawal, waiting(account, "t2")))
          yield* until(
            async () => second.pollUnsafe() !== undefined || (await heldUpBy(open!.pid)).length > 0
          )
          yield* Effect.promise(() => holder`ROLLBACK`)
          holder.release()
          assert.deepStrictEqual([yield* Fiber.join(first), yield* Fiber.join(second)], ["done", "done"])
          assert.deepStrictEqual(yield* booked(account), ["received:t1", "awaiting", "withdrawn:t2"])
        })
    )

    it.effect("a first wait that is completed late withdraws nothing: it is asked for again", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const [slow, quick] = [yield* openStore(url), yield* openStore(url)]
        const issued = yield* claimed(slow, delivery("pk_late_issued")) // asked, and told that it waits
        const deposit = yield* claimed(quick, delivery("pk_late_paid"))
        assert.strictEqual(yield* completed(quick, deposit, paid("pk_late")), "done")
        assert.strictEqual(yield* completed(slow, issued, waiting("pk_late", "t0")), "AnswerOutdated")
        assert.strictEqual(yield* completed(slow, yield* askedAgain(slow, issued), paid("pk_late")), "done")
        assert.deepStrictEqual(yield* booked("pk_late"), ["received:t1"])
      })
    )

    it.effect("a deposit that is completed after its withdrawal is not received: it is asked for again", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const [slow, quick] = [yield* openStore(url), yield* openStore(url)]
        const deposit = yield* claimed(slow, delivery("pk_back_paid")) // asked, and told that it is paid
        const withdrawal = yield* claimed(quick, delivery("pk_back_withdrawn"))
        assert.strictEqual(yield* completed(quick, withdrawal, waiting("pk_back", "t2")), "done")
        assert.strictEqual(yield* completed(slow, deposit, paid("pk_back")), "AnswerOutdated")
        // Paid once more: nobody knows of the first time any more, and this time counts.
        const again = yield* askedAgain(slow, deposit)
        assert.strictEqual(yield* completed(slow, again, paid("pk_back")), "done")
        assert.deepStrictEqual(yield* booked("pk_back"), ["awaiting", "received:t1"])
      })
    )

    it.effect("a withdrawal that may have been asked for before the deposit is booked once it was not", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        // One connection: their statements come one after the other.
        const store = yield* openStore(url, { connections: 1 })
        const [deposit, withdrawal] = [
          yield* claimed(store, delivery("pk_close_paid")),
          yield* claimed(store, delivery("pk_close_withdrawn"))
        ]
        assert.deepStrictEqual(
          yield* Effect.all(
            [
              completed(store, deposit, paid("pk_close")),
              completed(store, withdrawal, waiting("pk_close", "t2"))
            ],
            { concurrency: "unbounded" }
          ),
          ["done", "AnswerOutdated"]
        )
        const again = yield* askedAgain(store, withdrawal)
        assert.strictEqual(yield* completed(store, again, waiting("pk_close", "t2")), "done")
        assert.deepStrictEqual(yield* booked("pk_close"), ["received:t1", "awaiting", "withdrawn:t2"])
      })
    )

    it.effect("two events that tell the same are both done, whichever was asked for first", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const stores = [yield* openStore(url), yield* openStore(url)]
        const claims = yield* Effect.forEach(["callback", "change"], (name, gate) =>
          claimed(stores[gate]!, delivery(`pk_twice_${name}`))
        )
        const results = yield* Effect.forEach(
          claims,
          (claim, gate) => completed(stores[gate]!, claim, paid("pk_twice")),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(results, ["done", "done"])
        assert.deepStrictEqual(yield* booked("pk_twice"), ["received:t1"])
      })
    )

    it.effect("two gates that book the same accounts in opposite order neither deadlock nor double", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const stores = [yield* openStore(url), yield* openStore(url)]
        const accounts = Array.from({ length: 100 }, (_, index) => `pk_opposite_${index}`)
        const results = yield* Effect.forEach(
          stores,
          (store, gate) =>
            Effect.forEach(
              gate === 0 ? accounts : accounts.toReversed(),
              (account) =>
                Effect.flatMap(claimed(store, delivery(`${account}_${gate}`)), (claim) =>
                  completed(store, claim, paid(account))
                ),
              { concurrency: "unbounded" }
            ),
          { concurrency: 2 }
        )
        assert.deepStrictEqual([...new Set(results.flat())], ["done"])
        assert.strictEqual((yield* booked("pk_opposite_99")).length, 1)
      })
    )
  }
)
