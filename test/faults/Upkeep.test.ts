import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import type postgres from "postgres"
import { percentile } from "../../bench/percentile.ts"
import { database } from "../../src/cli/Service.ts"
import * as Retention from "../../src/domain/Retention.ts"
import * as PostgresRetention from "../../src/infra/postgres/PostgresRetention.ts"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import { environmentOf, migratedSchema, type ProvidersUnderTest } from "../support/Gate.ts"
import { Providers } from "../support/House.ts"
import { command, serve } from "../support/ServeProcess.ts"
import { claimed, delivery, fact, openStore, proving } from "../support/Store.ts"

// What upkeep costs those who post. By itself on an idle machine: ONCEGATE_UPKEEP=yes npm test -- test/faults/Upkeep.test.ts
// One of the works alone: ONCEGATE_UPKEEP=rotate. A machine that is not idle may be given less, as JSON.
const works = ["redrive", "rotate", "purge", "audit"] as const
type Work = (typeof works)[number]
const wanted = process.env.ONCEGATE_UPKEEP
const given: { readonly works?: ReadonlyArray<Work> } = wanted?.startsWith("{")
  ? JSON.parse(wanted)
  : { works: works.filter((work) => wanted === "yes" || wanted?.split(",").includes(work)) }
const size = { rate: 200, rounds: 3, done: 20_000, parked: 2_000, works, ...given }
const isFullSize = wanted === "yes"

const DAY_MS = 86_400_000
const WARM_MS = 5_000
/** `test` is the name under which `openStore` seals. */
const KEYS = {
  test: Buffer.from("0123456789abcdefghijklmnopqrstuv"),
  next: Buffer.from("vutsrqponmlkjihgfedcba9876543210")
}
const masterKeys = (...ids: ReadonlyArray<keyof typeof KEYS>) =>
  ids.map((id) => `${id}:${KEYS[id].toString("base64")}`).join(",")

/** Slices by age: the first is 1000 days old, and each further one ten days younger. Each round one more is due. */
const ageDays = (slice: number) => 1_000 - 10 * slice
const sliceOf = (index: number, count: number) => Math.floor((index * size.rounds) / count)

/** Done events of long ago, and parked ones, with bodies of a usual size. */
const seed = Effect.fnUntraced(function* (sql: postgres.Sql, url: string) {
  const store = yield* openStore(url, { masterKey: new Uint8Array(KEYS.test), connections: 2 })
  const body = (name: string) => name.padEnd(1_400, "x")
  yield* Effect.forEach(
    Array.from({ length: size.done }, (_, index) => `ev_old_${sliceOf(index, size.done)}_${index}`),
    (name) =>
      claimed(store, delivery(name, body(name), { transmission: name })).pipe(
        Effect.andThen((claim) => store.complete(claim, proving(fact(name))))
      ),
    { concurrency: 256, discard: true }
  )
  // A capture without an amount: parked again each time it is re-driven.
  const capture = (id: string) =>
    JSON.stringify({ id, event_type: "PAYMENT.CAPTURE.COMPLETED", resource: { note: body("") } })
  yield* Effect.forEach(
    Array.from({ length: size.parked }, (_, index) => `ev_parked_${index}`),
    (name) =>
      claimed(store, delivery(name, capture(name))).pipe(
        Effect.andThen((claim) =>
          store.fail(claim, { kind: "permanent", code: "uninterpretable", delayMs: 0 })
        )
      ),
    { concurrency: 256, discard: true }
  )
  const ages = Array.from({ length: size.rounds }, (_, slice) => {
    const those = `WHERE dedup_key LIKE 'ev\\_old\\_${slice}\\_%'`
    const ago = `interval '${ageDays(slice)} days'`
    return `UPDATE webhook_dedup_events SET first_seen_at = now() - ${ago}, changed_at = now() - ${ago} ${those};
            UPDATE webhook_event_log SET at = now() - ${ago} ${those};
            UPDATE webhook_transmissions SET seen_at = now() - ${ago} ${those.replace("dedup_key", "transmission_id")};`
  })
  const switched = (how: "DISABLE" | "ENABLE") =>
    ["webhook_dedup_events", "webhook_event_log"]
      .map((table) => `ALTER TABLE ${table} ${how} TRIGGER USER;`)
      .join("")
  yield* Effect.promise(() =>
    sql.unsafe(`${switched("DISABLE")} ${ages.join("")} ${switched("ENABLE")}`).simple()
  )
  yield* Effect.promise(() => sql.unsafe("VACUUM ANALYZE"))
})

interface Answered {
  /** Which work was under way when it was posted. */
  readonly during: Work | "nothing"
  readonly ms: number
  readonly answer: string
}

/** New events at a steady rate until it is told to stop. */
const traffic = (providers: ProvidersUnderTest, url: string, during: () => Answered["during"]) => {
  const courier = Courier.make(32, 15_000)
  const target = new URL(`${url}/webhooks/paypal`)
  const answers: Array<Promise<Answered>> = []
  let isOver = false
  const begun = performance.now()
  const posting = (async () => {
    for (let index = 0; !isOver; index += 1) {
      const due = begun + (index * 1_000) / size.rate - performance.now()
      if (due > 1) await new Promise((resolve) => setTimeout(resolve, due))
      const { body, copies } = providers.capture()
      const work = during()
      answers.push(
        courier.deliver(target, copies[0]!, body).then(({ errorCode, httpStatus, ms, status }) => ({
          during: work,
          ms,
          answer: `${httpStatus} ${status ?? errorCode}`
        }))
      )
    }
  })()
  return async () => {
    isOver = true
    await posting
    const all = await Promise.all(answers)
    courier.close()
    return all
  }
}

const quantile = (answers: ReadonlyArray<Answered>, part: number) =>
  percentile(
    answers.map((one) => one.ms).sort((one, other) => one - other),
    part
  )
const told = (answers: ReadonlyArray<Answered>) =>
  `${answers.length} posts, p50 ${quantile(answers, 0.5).toFixed(1)}, p99 ${quantile(answers, 0.99).toFixed(1)}, slowest ${quantile(answers, 1).toFixed(0)} ms`

layer(Providers.layer, { excludeTestServices: true, timeout: "3 minutes" })("upkeep", (it) => {
  it.effect.skipIf(wanted === undefined)(
    "while webhooks come in: no error, and p99 is at most one and a half times that without it",
    () =>
      Effect.gen(function* () {
        const providers = yield* Providers
        const { sql, url } = yield* migratedSchema
        yield* seed(sql, url)
        const environment = {
          ...environmentOf(providers, url),
          LOG_LEVEL: "info",
          MASTER_KEYS: masterKeys("test", "next"),
          // The gate's own retention leaves what is purged here.
          KEY_RETENTION_DAYS: "3650",
          PAYLOAD_RETENTION_HOURS: "87600"
        }
        const gate = yield* Effect.acquireRelease(
          Effect.promise(() => serve(environment, undefined, ["--only", "ingress,rescuer"])),
          ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const run = (args: ReadonlyArray<string>, keys = environment.MASTER_KEYS) =>
          Effect.map(
            Effect.promise(() => command(args, { ...environment, MASTER_KEYS: keys })),
            ({ code, output }) => {
              assert.strictEqual(code, 0, output)
              return output.trim().split("\n").at(-1)!
            }
          )
        /** Re-driven is not done with: the gate tries each of them once more. */
        const parkedAgain = Effect.promise(
          () =>
            sql<[{ open: number }]>`
              SELECT count(*)::int AS open FROM webhook_dedup_events
               WHERE dedup_key LIKE 'ev\\_parked\\_%'
                 AND (status = 'processing' OR (status = 'failed' AND next_attempt_at < 'infinity'))`
        ).pipe(Effect.repeat({ until: ([{ open }]) => open === 0, schedule: Schedule.spaced("250 millis") }))
        const perform: Record<Work, (round: number) => Effect.Effect<string>> = {
          redrive: () =>
            run(["events", "redrive", "--state", "parked", "--endpoint", "paypal", "--reason", "test"]).pipe(
              Effect.tap(parkedAgain)
            ),
          rotate: (round) =>
            run(
              ["keys", "rotate"],
              round % 2 === 0 ? masterKeys("next", "test") : masterKeys("test", "next")
            ),
          purge: (round) =>
            Retention.round({
              payloadRetentionMs: (ageDays(round) - 5) * DAY_MS,
              keyRetentionMs: (ageDays(round) - 5) * DAY_MS,
              everyMs: 1,
              pauseMs: 25
            }).pipe(
              Effect.map((swept) => JSON.stringify(swept)),
              Effect.provide(
                PostgresRetention.layer.pipe(Layer.provide(database({ databaseUrl: Redacted.make(url) })))
              ),
              Effect.orDie
            ),
          audit: () => run(["audit"])
        }

        const without: Array<Answered> = []
        const during: Array<Answered> = []
        let work: Answered["during"] = "nothing"
        const quiet = Effect.fnUntraced(function* (ms: number) {
          const stop = traffic(providers, gate.url, () => "nothing")
          yield* Effect.sleep(ms) // what is measured
          return yield* Effect.promise(stop)
        })
        yield* quiet(WARM_MS)
        for (let round = 0; round < size.rounds; round += 1) {
          const begun = performance.now()
          const stop = traffic(providers, gate.url, () => work)
          for (work of size.works) {
            const since = performance.now()
            const said = yield* perform[work](round)
            console.log(round, work, `${((performance.now() - since) / 1_000).toFixed(1)} s`, said)
          }
          const answers = yield* Effect.promise(stop)
          work = "nothing"
          const ms = performance.now() - begun
          const alone = yield* quiet(ms)
          console.log(round, `${(ms / 1_000).toFixed(0)} s: ${told(answers)}; without: ${told(alone)}`)
          during.push(...answers)
          without.push(...alone)
        }
        for (const one of size.works)
          console.log(one, told(during.filter((answered) => answered.during === one)))
        const ratio = quantile(during, 0.99) / quantile(without, 0.99)
        console.log(`with: ${told(during)}\nwithout: ${told(without)}\nratio of p99: ${ratio.toFixed(2)}`)
        assert.deepStrictEqual(
          [...new Set([...during, ...without].map(({ answer }) => answer))],
          ["200 processed"]
        )
        if (isFullSize) assert.isAtMost(ratio, 1.5)
      }).pipe(Effect.scoped),
    1_200_000
  )
})
