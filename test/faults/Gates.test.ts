import { existsSync } from "node:fs"
import path from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type postgres from "postgres"
import * as Cast from "../../src/infra/simulator/Cast.ts"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import type { SimulatedEvent } from "../../src/infra/simulator/SimulatedEvent.ts"
import * as World from "../../src/infra/simulator/World.ts"
import { simulate } from "../e2e/play.ts"
import { environmentOf, migratedSchema, type ProvidersUnderTest, until } from "../support/Gate.ts"
import { Providers, setFaults } from "../support/House.ts"
import { ended, serve } from "../support/ServeProcess.ts"

const gateAt = (environment: Readonly<Record<string, string>>, entry?: string) =>
  Effect.acquireRelease(
    Effect.promise(() => serve(environment, entry)),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

type GateAt = ReturnType<typeof gateAt>

/** By its own clock. */
const startedAt = ({ output }: Effect.Success<GateAt>) => {
  const line = output()
    .split("\n")
    .find((one) => one.includes('"SERVICE_STARTED"'))
  return Date.parse((JSON.parse(line!) as { timestamp: string }).timestamp)
}

const faketime = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
  .map((platform) => `/usr/lib/${platform}/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file))

/** Card payments that Toss's API knows, one event each. */
const payments = Effect.fnUntraced(function* ({ client }: ProvidersUnderTest, count: number) {
  const events: Array<SimulatedEvent> = []
  for (let one = 0; one < count; one += 1) {
    const act = Cast.oneEvent(client, "toss", { seed: World.newSeed() + one, copies: 1, now: Date.now() })
    yield* client.deposit(act.payments, act.paypalEvents)
    events.push(act.events[0]!)
  }
  return events
})

const deliverAll = (url: string, events: ReadonlyArray<SimulatedEvent>) =>
  Effect.promise(async () => {
    const courier = Courier.make(64, 20_000)
    const answers = await Promise.all(
      events.map(({ body, copies }) => courier.deliver(new URL(`${url}/webhooks/toss`), copies[0]!, body))
    )
    courier.close()
    return answers
  })

const states = (sql: postgres.Sql) =>
  sql<Array<{ done: number; parked: number; open: number }>>`
    SELECT count(*) FILTER (WHERE status = 'done')::int AS done,
           count(*) FILTER (WHERE next_attempt_at = 'infinity')::int AS parked,
           count(*) FILTER (WHERE status <> 'done' AND next_attempt_at IS DISTINCT FROM 'infinity')::int AS open
      FROM webhook_dedup_events`.then(([row]) => row!)

layer(Providers.layer, { excludeTestServices: true, timeout: "3 minutes" })("gates", (it) => {
  const given = Effect.gen(function* () {
    const providers = yield* Providers
    const { sql, url } = yield* migratedSchema
    const environment = {
      ...environmentOf(providers, url),
      KAFKA_BROKERS: "127.0.0.1:1",
      LEASE_MS: "2000",
      BACKOFF_BASE_MS: "50",
      BACKOFF_MAX_MS: "500",
      ANSWER_DEADLINE_MS: "300",
      LOG_LEVEL: "info",
      ADMIN_PORT: "0"
    }
    return { providers, sql, environment }
  })

  it.effect(
    "kill -9 with hundreds of claims in flight: the survivor has them done within lease + 5 s",
    () =>
      Effect.gen(function* () {
        const { environment, providers, sql } = yield* given
        const dying = yield* gateAt(environment)
        yield* gateAt(environment)
        const events = yield* payments(providers, 300)
        yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 30_000 })
        const answers = yield* deliverAll(dying.url, events)
        assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], ["accepted"])
        dying.child.kill("SIGKILL")
        const killed = performance.now()
        yield* setFaults(providers.client.origin, {})
        yield* until(async () => (await states(sql)).done === 300)
        assert.isBelow(performance.now() - killed, 2_000 + 5_000)
      }).pipe(Effect.scoped),
    60_000
  )

  it.effect(
    "SIGSTOP past the lease: the late completion is refused and logged, the facts are booked once",
    () =>
      Effect.gen(function* () {
        const { environment, providers, sql } = yield* given
        const sleeper = yield* gateAt(environment)
        yield* gateAt(environment)
        const events = yield* payments(providers, 20)
        yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 1_000 })
        yield* deliverAll(sleeper.url, events)
        process.kill(sleeper.child.pid!, "SIGSTOP")
        yield* until(async () => (await states(sql)).done === 20)
        yield* setFaults(providers.client.origin, {})
        process.kill(sleeper.child.pid!, "SIGCONT")
        yield* until(async () => sleeper.output().includes("WEBHOOK_CLAIM_LOST"))
        const [booked] = yield* Effect.promise(
          () => sql`
          SELECT count(*)::int AS facts, count(DISTINCT data->'fact'->>'effect_key')::int AS once
            FROM webhook_event_log WHERE type = 'BillingEventRecorded'`
        )
        assert.deepStrictEqual({ ...booked }, { facts: 20, once: 20 })
      }).pipe(Effect.scoped),
    60_000
  )

  it.effect(
    "kill -9 with nobody left: the next start has them done",
    () =>
      Effect.gen(function* () {
        const { environment, providers, sql } = yield* given
        const dying = yield* gateAt(environment)
        const events = yield* payments(providers, 100)
        yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 30_000 })
        yield* deliverAll(dying.url, events)
        dying.child.kill("SIGKILL")
        yield* setFaults(providers.client.origin, {})
        yield* gateAt(environment)
        yield* until(async () => (await states(sql)).done === 100)
      }).pipe(Effect.scoped),
    60_000
  )

  it.effect(
    "an API that is down for long, or a secret that is wrong, parks nothing; all is done after it is mended",
    () =>
      Effect.gen(function* () {
        const { environment, providers, sql } = yield* given
        const wrong = yield* gateAt({
          ...environment,
          TOSS_SECRET_KEY: "test_sk_wrong_wrong_wrong",
          MAX_ATTEMPTS: "2"
        })
        const events = yield* payments(providers, 60)
        const answers = yield* deliverAll(wrong.url, events.slice(0, 30))
        assert.isTrue(answers.every(({ httpStatus }) => httpStatus === 200))
        yield* until(async () => {
          const [row] = await sql<
            Array<{ failures: number }>
          >`SELECT max(failures)::int AS failures FROM webhook_dedup_events`
          return row!.failures >= 6
        })
        wrong.child.kill("SIGTERM")
        yield* Effect.promise(() => ended(wrong.child))
        yield* setFaults(providers.client.origin, { api: "toss", status: 503 })
        const right = yield* gateAt({ ...environment, MAX_ATTEMPTS: "2" })
        yield* deliverAll(right.url, events.slice(30))
        yield* until(async () => {
          const [row] = await sql<Array<{ failures: number }>>`
          SELECT min(failures)::int AS failures FROM webhook_dedup_events`
          return row!.failures >= 6
        })
        assert.deepInclude(yield* Effect.promise(() => states(sql)), { parked: 0, done: 0 })
        const alarms = right
          .output()
          .split("\n")
          .filter((line) => line.includes('"code":"provider_api_down"'))
        assert.strictEqual(alarms.length, 1, "one alarm")
        yield* setFaults(providers.client.origin, {})
        yield* until(async () => (await states(sql)).done === 60)
      }).pipe(Effect.scoped),
    90_000
  )

  it.effect(
    "a rolling restart under load: no error but refused connections, exit 0, every event once",
    () =>
      Effect.gen(function* () {
        const { environment, providers, sql } = yield* given
        const gates = [yield* gateAt(environment), yield* gateAt(environment)]
        const errors = new Map<string, number>()
        let isOver = false
        const courier = Courier.make(32, 10_000)
        const keys: Array<string> = []
        const send = async () => {
          const { body, copies, dedupKey } = providers.capture()
          for (let turn = Math.floor(Math.random() * 2); ; turn += 1) {
            const gate = gates[turn % 2]!
            const { errorCode, httpStatus, status } = await courier.deliver(
              new URL(`${gate.url}/webhooks/paypal`),
              copies[0]!,
              body
            )
            if (httpStatus === 200 && status === "processed") return void keys.push(dedupKey)
            const name = errorCode ?? `${httpStatus} ${status}`
            errors.set(name, (errors.get(name) ?? 0) + 1)
            if (httpStatus === 200) return
          }
        }
        const load = Array.from({ length: 16 }, async () => {
          while (!isOver) await send()
        })
        for (const index of [0, 1, 0, 1]) {
          const before = keys.length
          yield* until(async () => keys.length > before + 100)
          const old = gates[index]!
          process.kill(old.child.pid!, "SIGTERM")
          assert.strictEqual(yield* Effect.promise(() => ended(old.child)), 0)
          gates[index] = yield* gateAt({ ...environment, PORT: new URL(old.url).port })
        }
        isOver = true
        yield* Effect.promise(() => Promise.all(load))
        courier.close()
        assert.deepStrictEqual(
          [...errors.keys()].filter((name) => name !== "ECONNREFUSED"),
          []
        )
        assert.strictEqual((yield* Effect.promise(() => states(sql))).done, keys.length)
      }).pipe(Effect.scoped),
    90_000
  )

  /** Both gates get copies of the same events, in turn, and must come to what the providers say. */
  const sameResults = (apart: (environment: Readonly<Record<string, string>>) => ReadonlyArray<GateAt>) =>
    Effect.gen(function* () {
      const { environment, providers, sql } = yield* given
      // Long leases: only a wrong clock could make one expire.
      const gates = yield* Effect.all(apart({ ...environment, LEASE_MS: "30000" }))
      yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 200, status: 503, share: 0.2 })
      let turn = 0
      const { expected } = yield* simulate(providers, sql, () => gates[turn++ % 2]!.url, {
        events: 60,
        copies: 3
      })
      yield* setFaults(providers.client.origin, {})
      yield* until(async () => (await states(sql)).open === 0)
      const booked = yield* Effect.promise(
        () => sql<Array<{ name: string }>>`SELECT provider || ' ' || effect_key AS name FROM billing_effects`
      )
      assert.deepStrictEqual(
        booked.map(({ name }) => name).sort(),
        expected.facts.map(({ effect_key, endpoint }) => `${endpoint} ${effect_key}`).sort()
      )
      const [expired] = yield* Effect.promise(
        () =>
          sql`SELECT count(*)::int AS count FROM webhook_event_log WHERE data->>'because' = 'lease_expired'`
      )
      assert.deepStrictEqual({ ...expired }, { count: 0 })
      return gates
    }).pipe(Effect.scoped)

  it.effect(
    "two gates with clocks two hours apart: the same results",
    () => {
      const entry = path.join("test", "faults", "serve.ts")
      return sameResults((environment) =>
        ["3600000", "-3600000"].map((offset) => gateAt({ ...environment, CLOCK_OFFSET_MS: offset }, entry))
      )
    },
    90_000
  )

  // Where it is installed (Debian's package faketime): `serve` itself, and every clock of its process an hour ahead.
  it.effect.skipIf(faketime === undefined)(
    `two gates, one under libfaketime an hour ahead${faketime === undefined ? " (libfaketime is not here)" : ""}: the same results`,
    () =>
      Effect.gen(function* () {
        const gates = yield* sameResults((environment) => [
          gateAt(environment),
          gateAt({
            ...environment,
            LD_PRELOAD: faketime!,
            FAKETIME: "+1h",
            // Timers are of the monotonic clock: they go as they went.
            FAKETIME_DONT_FAKE_MONOTONIC: "1"
          })
        ])
        const [right, ahead] = gates.map(startedAt)
        assert.closeTo(ahead! - right!, 3_600_000, 120_000)
      }),
    90_000
  )
})
