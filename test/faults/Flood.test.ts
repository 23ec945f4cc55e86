import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import type postgres from "postgres"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import type { SimulatedEvent } from "../../src/infra/simulator/SimulatedEvent.ts"
import * as TossWebhooks from "../../src/infra/simulator/TossWebhooks.ts"
import * as World from "../../src/infra/simulator/World.ts"
import { type ProvidersUnderTest, post, startGate, until } from "../support/Gate.ts"
import { Providers, setFaults } from "../support/House.ts"

// What anybody may post, and how little it does. At full size and with its figures: `FloodFull.test.ts`.

/** Card payments, one event each. Those that are not deposited are nobody's: forged. */
const payments = ({ client }: ProvidersUnderTest, count: number) => {
  const world = World.make(World.newSeed())
  const { retiredSecurityKey, securityKeys } = client.identity
  const signer = { current: securityKeys[0], retired: retiredSecurityKey }
  return Array.from({ length: count }, () =>
    TossWebhooks.oneCard(world, { signer, copies: 1, now: Date.now() })
  )
}

/** The answers to them, sent at once over as many connections. */
const deliver = (url: string, events: ReadonlyArray<SimulatedEvent>) =>
  Effect.promise(async () => {
    const courier = Courier.make(events.length, 20_000)
    const answers = await Promise.all(
      events.map(({ body, copies }) => courier.deliver(new URL(`${url}/webhooks/toss`), copies[0]!, body))
    )
    courier.close()
    return answers.map(({ errorCode, httpStatus, status }) => `${httpStatus} ${status ?? errorCode}`)
  })

const rowsOf = (sql: postgres.Sql, events: ReadonlyArray<SimulatedEvent>) =>
  sql<Array<{ status: string; fence: number; code: string | null; parked: boolean }>>`
    SELECT status, fence, error_code AS code, coalesce(next_attempt_at = 'infinity', false) AS parked
      FROM webhook_dedup_events WHERE dedup_key = ANY (${events.map(({ dedupKey }) => dedupKey)})`

layer(Providers.layer, { excludeTestServices: true, timeout: "3 minutes" })(
  "a flood of forged posts",
  (it) => {
    it.effect(
      "genuine events are done at their first attempt while the forged ones before them wait; none is parked",
      () =>
        Effect.gen(function* () {
          const providers = yield* Providers
          const gate = yield* startGate(providers, {
            environment: { ANSWER_DEADLINE_MS: "100", BACKOFF_BASE_MS: "100", MAX_IN_FLIGHT: "500" }
          })
          const forged = payments(providers, 100).map(({ events }) => events[0]!)
          const genuine = payments(providers, 5)
          for (const act of genuine) yield* providers.client.deposit(act.payments, [])
          const events = genuine.map((act) => act.events[0]!)

          yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 500 })
          const answers = yield* deliver(gate.url, forged)
          assert.deepStrictEqual([...new Set(answers)], ["200 accepted"])
          yield* deliver(gate.url, events)
          const rows = yield* until(async () => {
            const found = await rowsOf(gate.sql, events)
            return found.every(({ status }) => status === "done") && found
          })
          assert.deepStrictEqual([...new Set(rows.map(({ fence }) => fence))], [1])
          const asked = (yield* Effect.promise(() => rowsOf(gate.sql, forged))).filter(
            ({ code }) => code === "unconfirmed"
          )
          assert.isBelow(asked.length, forged.length)

          yield* setFaults(providers.client.origin, {})
          const settled = yield* until(async () => {
            const found = await rowsOf(gate.sql, forged)
            return found.every(({ code, fence }) => code === "unconfirmed" || fence > 2) && found
          })
          assert.isFalse(settled.some(({ parked }) => parked))
          assert.deepStrictEqual(
            gate.logs.filter((line) => line.includes('"ALARM"')),
            []
          )
        }).pipe(Effect.scoped),
      60_000
    )

    it.effect(
      "those that wait to be asked for again leave places for genuine ones, and crowd nobody by themselves",
      () =>
        Effect.gen(function* () {
          const providers = yield* Providers
          const gate = yield* startGate(providers, { environment: { BACKOFF_BASE_MS: "100" } })
          const forged = payments(providers, 24).map(({ events }) => events[0]!)
          for (let at = 0; at < forged.length; at += 8) yield* deliver(gate.url, forged.slice(at, at + 8))
          yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 1_000 })
          yield* until(async () => {
            const found = await rowsOf(gate.sql, forged)
            return found.filter(({ status }) => status === "processing").length >= 8
          })
          const genuine = payments(providers, 6)
          for (const act of genuine) yield* providers.client.deposit(act.payments, [])
          const events = genuine.map((act) => act.events[0]!)
          yield* deliver(gate.url, events)
          const rows = yield* until(async () => {
            const found = await rowsOf(gate.sql, events)
            return found.every(({ status }) => status === "done") && found
          })
          assert.deepStrictEqual([...new Set(rows.map(({ fence }) => fence))], [1])
          assert.deepStrictEqual(
            gate.logs.filter((line) => line.includes("PROVIDER_API_CROWDED")),
            []
          )
          yield* setFaults(providers.client.origin, {})
        }).pipe(Effect.scoped),
      60_000
    )

    it.effect(
      "one endpoint whose provider is slow leaves the other its places",
      () =>
        Effect.gen(function* () {
          const providers = yield* Providers
          const { clientId, clientSecret, origin } = providers.simulator
          const gate = yield* startGate(providers, {
            environment: {
              PAYPAL_CONFIRM: "money",
              PAYPAL_CLIENT_ID: clientId,
              PAYPAL_CLIENT_SECRET: clientSecret,
              ANSWER_DEADLINE_MS: "50",
              MAX_IN_FLIGHT: "2"
            }
          })
          const capture = () => {
            const { body, copies } = providers.capture()
            return post(`${gate.url}/webhooks/paypal`, copies[0]!, body)
          }
          yield* capture() // brings the certificate
          yield* setFaults(origin, { api: "paypal", delay_ms: 3_000 })
          yield* Effect.suspend(capture).pipe(
            Effect.repeat({ while: ({ status }) => status !== 503, schedule: Schedule.spaced(10) })
          )
          const [act] = payments(providers, 1)
          yield* providers.client.deposit(act!.payments, [])
          const [answer] = yield* deliver(gate.url, act!.events)
          assert.match(answer!, /^200 /)
          yield* setFaults(origin, {})
        }).pipe(Effect.scoped),
      60_000
    )
  }
)
