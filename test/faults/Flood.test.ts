import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type postgres from "postgres"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import * as TossWebhooks from "../../src/infra/simulator/TossWebhooks.ts"
import * as World from "../../src/infra/simulator/World.ts"
import { environmentOf, migratedSchema, type ProvidersUnderTest, until } from "../support/Gate.ts"
import { Providers, setFaults } from "../support/House.ts"
import { serve } from "../support/ServeProcess.ts"

// A flood of forged posts at an API that takes 500 requests a second. `ONCEGATE_FLOOD=full` runs it at full size.

const size =
  process.env.ONCEGATE_FLOOD === "full"
    ? { genuine: 500, forged: 20_000, perSecond: 25 }
    : { genuine: 40, forged: 1_500, perSecond: 25 }

/** Card payments, one event each; those that are forged are nobody's, and Toss never hears of them. */
const payments = ({ client }: ProvidersUnderTest, count: number) => {
  const world = World.make(World.newSeed())
  const { securityKeys, retiredSecurityKey } = client.identity
  const options = {
    signer: { current: securityKeys[0], retired: retiredSecurityKey },
    copies: 1,
    now: Date.now()
  }
  return Array.from({ length: count }, () => TossWebhooks.oneCard(world, options))
}

type Sent = Map<string, { readonly at: number; readonly answer: string }>

/** Sends the genuine ones at their pace and the forged ones as fast as they are answered. */
const attack = Effect.fnUntraced(function* (
  providers: ProvidersUnderTest,
  url: string,
  counts: { readonly genuine: number; readonly forged: number; readonly perSecond: number }
) {
  const genuine = payments(providers, counts.genuine)
  const forged = payments(providers, counts.forged)
  const target = new URL(`${url}/webhooks/toss`)
  const couriers = [Courier.make(64, 20_000), Courier.make(64, 20_000)] as const
  const send = async (
    courier: Courier.Courier,
    { body, copies, dedupKey }: (typeof genuine)[0]["events"][0],
    sent: Sent
  ) => {
    const at = Date.now()
    const { errorCode, httpStatus, status } = await courier.deliver(target, copies[0]!, body)
    sent.set(dedupKey, { at, answer: `${httpStatus} ${status ?? errorCode}` })
  }
  const sent = { genuine: new Map() as Sent, forged: new Map() as Sent }
  yield* Effect.promise(async () => {
    let next = 0
    const flood = Array.from({ length: 64 }, async () => {
      while (next < forged.length) await send(couriers[0], forged[next++]!.events[0]!, sent.forged)
    })
    const deliveries: Array<Promise<void>> = []
    for (const { events, payments } of genuine) {
      await Effect.runPromise(providers.client.deposit(payments, []))
      deliveries.push(send(couriers[1], events[0]!, sent.genuine))
      await new Promise((resolve) => setTimeout(resolve, 1_000 / counts.perSecond))
    }
    await Promise.all([...flood, ...deliveries])
  })
  for (const { close } of couriers) close()
  return sent
})

const tally = (names: Iterable<string>) => {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

/** Milliseconds from the post to `done`, sorted, once all are done. */
const doneAfter = (sql: postgres.Sql, sent: Sent) =>
  until(async () => {
    const rows = await sql<Array<{ dedup_key: string; at: number }>>`
      SELECT dedup_key, extract(epoch FROM at)::float8 * 1000 AS at FROM webhook_event_log
       WHERE type = 'Completed' AND dedup_key = ANY (${[...sent.keys()]})`
    return (
      rows.length === sent.size &&
      rows.map(({ at, dedup_key }) => at - sent.get(dedup_key)!.at).sort((a, b) => a - b)
    )
  })
const quantile = (sorted: ReadonlyArray<number>, part: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!)

layer(Providers.layer, { excludeTestServices: true, timeout: "3 minutes" })(
  "a flood of forged posts",
  (it) => {
    for (const [name, fault] of [
      ["that gets slower", { rate: 500 }],
      ["that answers 429", { rate: 500, status: 429 }]
    ] as const)
      it.effect(
        `past 500 requests a second, at an API ${name}`,
        () =>
          Effect.gen(function* () {
            const providers = yield* Providers
            const { sql, url } = yield* migratedSchema
            const gate = yield* Effect.acquireRelease(
              Effect.promise(() =>
                serve({ ...environmentOf(providers, url), KAFKA_BROKERS: "127.0.0.1:1", LOG_LEVEL: "info" })
              ),
              ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
            )
            yield* setFaults(providers.client.origin, { api: "toss", delay_ms: 20, ...fault })
            const alone = yield* attack(providers, gate.url, { ...size, forged: 0 })
            const quiet = yield* doneAfter(sql, alone.genuine)
            const begun = performance.now()
            const flooded = yield* attack(providers, gate.url, size)
            const seconds = (performance.now() - begun) / 1_000
            const loud = yield* doneAfter(sql, flooded.genuine)
            const [row] = yield* Effect.promise(
              () => sql<Array<{ parked: number }>>`
              SELECT count(*) FILTER (WHERE next_attempt_at = 'infinity')::int AS parked FROM webhook_dedup_events`
            )
            const codes = yield* Effect.promise(
              () => sql<Array<{ code: string; count: number }>>`
              SELECT coalesce(error_code, status) AS code, count(*)::int AS count FROM webhook_dedup_events GROUP BY 1`
            )
            console.log({
              name,
              seconds,
              alone: { p50: quantile(quiet, 0.5), p99: quantile(quiet, 0.99), max: quantile(quiet, 1) },
              flooded: { p50: quantile(loud, 0.5), p99: quantile(loud, 0.99), max: quantile(loud, 1) },
              genuine: tally([...flooded.genuine.values()].map(({ answer }) => answer)),
              forged: tally([...flooded.forged.values()].map(({ answer }) => answer)),
              codes: Object.fromEntries(codes.map(({ code, count }) => [code, count])),
              alarms: tally(
                gate
                  .output()
                  .split("\n")
                  .filter((line) => line.includes('"ALARM"'))
                  .map((line) => JSON.parse(line).code)
              )
            })
            assert.deepStrictEqual({ ...row }, { parked: 0 })
          }).pipe(Effect.scoped),
        120_000
      )
  }
)
