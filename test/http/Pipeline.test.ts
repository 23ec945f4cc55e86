import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Cast from "../../src/infra/simulator/Cast.ts"
import * as World from "../../src/infra/simulator/World.ts"
import { post, startGate, until } from "../support/Gate.ts"
import { House, house, setFaults } from "../support/House.ts"

layer(
  house({
    environment: { BACKOFF_BASE_MS: "20", BACKOFF_MAX_MS: "100", ANSWER_DEADLINE_MS: "500" }
  }),
  { excludeTestServices: true, timeout: "3 minutes" }
)("from claim to end", (it) => {
  const oneCard = Effect.gen(function* () {
    const { gate, providers } = yield* House
    const act = Cast.oneEvent(providers.client, "toss", { seed: World.newSeed(), copies: 2, now: Date.now() })
    const event = act.events[0]!
    const rowOf = async () => {
      const [row] = await gate.sql<Array<{ status: string; failures: number; error_code: string | null }>>`
        SELECT status, failures, error_code FROM webhook_dedup_events WHERE dedup_key = ${event.dedupKey}`
      return row
    }
    return {
      event,
      rowOf,
      deposit: providers.client.deposit(act.payments, act.paypalEvents),
      send: post(`${gate.url}/webhooks/toss`, event.copies[0]!, event.body)
    }
  })

  it.effect("the claim stands before the provider is asked; at the deadline the answer is accepted", () =>
    Effect.gen(function* () {
      const { providers } = yield* House
      const { deposit, rowOf, send } = yield* oneCard
      yield* deposit
      yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 1_500 })
      const answer = yield* send
      assert.deepStrictEqual(answer.body, { status: "accepted" })
      assert.deepInclude(yield* Effect.promise(rowOf), { status: "processing" })
      const duplicate = yield* send
      assert.deepStrictEqual(duplicate.body, { status: "already_processed", state: "processing" })
      yield* setFaults(providers.client.origin, {})
      yield* until(async () => (await rowOf())?.status === "done")
    })
  )

  it.effect(
    "a failed attempt is ours: answered 200 retry_scheduled, and done when the API is back (defects 1 and 3)",
    () =>
      Effect.gen(function* () {
        const { providers } = yield* House
        const { deposit, rowOf, send } = yield* oneCard
        yield* deposit
        yield* setFaults(providers.client.origin, { api: "toss", status: 500 })
        assert.deepStrictEqual((yield* send).body, { status: "retry_scheduled" })
        assert.deepInclude(yield* Effect.promise(rowOf), {
          status: "failed",
          error_code: "provider_unavailable"
        })
        yield* setFaults(providers.client.origin, {})
        yield* until(async () => (await rowOf())?.status === "done")
      })
  )

  it.effect(
    "a payment that Toss does not know makes no fact and waits apart; when it appears it is done (defect 13)",
    () =>
      Effect.gen(function* () {
        const { gate } = yield* House
        const { deposit, event, rowOf, send } = yield* oneCard
        yield* send
        assert.deepInclude(yield* Effect.promise(rowOf), { status: "failed", error_code: "unconfirmed" })
        const [none] = yield* Effect.promise(
          () =>
            gate.sql`SELECT count(*)::int AS facts FROM billing_effects WHERE dedup_key = ${event.dedupKey}`
        )
        assert.deepStrictEqual({ ...none }, { facts: 0 })
        yield* deposit
        yield* until(async () => (await rowOf())?.status === "done")
      })
  )

  it.effect("FAILURE_ANSWER=500 tells the provider too", () =>
    Effect.gen(function* () {
      const { providers } = yield* House
      const gate = yield* startGate(providers, { environment: { FAILURE_ANSWER: "500" }, roles: ["ingress"] })
      const act = Cast.oneEvent(providers.client, "toss", {
        seed: World.newSeed(),
        copies: 1,
        now: Date.now()
      })
      const { body, copies } = act.events[0]!
      const answer = yield* post(`${gate.url}/webhooks/toss`, copies[0]!, body)
      assert.strictEqual(answer.status, 500)
      assert.strictEqual(answer.headers.get("retry-after"), "60")
      assert.strictEqual(answer.body.error_code, "WEBHOOK_PROCESSING_FAILED")
    }).pipe(Effect.scoped)
  )
})
