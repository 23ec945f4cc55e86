import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { offences } from "../contracts/validators.ts"
import { LOG, type LogRow, unmodelled } from "../spec/transitions.ts"
import { migratedSchema, startGate, startProviders, until } from "../support/Gate.ts"
import { freshPrefix, kafkaBrokers } from "../support/Services.ts"
import { simulate } from "./play.ts"
import { follow, foretold, sorted } from "./topics.ts"

it.live(
  "webhooks in, billing facts out: every event once, whatever its copies",
  () =>
    Effect.gen(function* () {
      const brokers = yield* Effect.promise(kafkaBrokers)
      const prefix = freshPrefix()
      const providers = yield* startProviders
      const gate = yield* startGate(providers, {
        roles: ["ingress", "rescuer", "relay"],
        environment: { KAFKA_BROKERS: brokers.join(","), KAFKA_TOPIC_PREFIX: prefix, LOG_LEVEL: "info" }
      })

      const { expected, report } = yield* simulate(providers, gate.sql, () => gate.url, {
        events: 80,
        copies: 3
      })
      assert.strictEqual(report.verdict, "PASS", JSON.stringify(report.failed))

      yield* until(async () => {
        const [left] =
          await gate.sql`SELECT count(*)::int AS open FROM webhook_dedup_events WHERE status <> 'done'`
        return left?.open === 0
      })
      const facts = yield* follow(brokers, `${prefix}billing.events.v1`)
      const outcomes = yield* follow(brokers, `${prefix}billing.webhook-outcomes.v1`)
      const duplicates = () =>
        outcomes
          .filter(({ headers }) => headers.ce_type === "oncegate.webhook.duplicate.v1")
          .reduce((sum, { data }) => sum + Number(data.count), 0)
      const processed = () =>
        outcomes.filter(({ headers }) => headers.ce_type === "oncegate.webhook.processed.v1")
      yield* until(
        async () => facts.length >= expected.facts.length && duplicates() >= 160 && processed().length >= 80
      )

      assert.deepStrictEqual(sorted(facts.map(foretold)), sorted(expected.facts))
      assert.deepStrictEqual(unmodelled(yield* Effect.promise(() => gate.sql.unsafe<Array<LogRow>>(LOG))), [])
      assert.deepStrictEqual(
        processed()
          .map(({ data }) => data.dedup_key)
          .sort(),
        expected.events.map(({ dedup_key }) => dedup_key).sort()
      )
      assert.strictEqual(duplicates(), 160)
      for (const { data, headers, key } of facts) {
        assert.strictEqual(key, `${data.endpoint}/${data.payment_reference}`)
        assert.strictEqual(headers.ce_source, `/oncegate/${data.endpoint}`)
        assert.strictEqual(headers.ce_subject, data.payment_reference)
        assert.match(headers.ce_id!, /^[0-9a-f]{8}-[0-9a-f]{4}-5/)
        assert.match(headers.ce_sequence!, /^\d{20}$/)
      }
      // As a consumer would that knows nothing of us but the committed contract.
      assert.deepStrictEqual([...facts, ...outcomes].flatMap(offences), [])
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "without a broker the gate works on; what happened waits in the log",
  () =>
    Effect.gen(function* () {
      const providers = yield* startProviders
      const gate = yield* startGate(providers, {
        roles: ["ingress", "relay"],
        environment: { KAFKA_BROKERS: "127.0.0.1:1", KAFKA_TOPIC_PREFIX: freshPrefix() }
      })
      const { report } = yield* simulate(providers, gate.sql, () => gate.url, { events: 20, copies: 2 })
      assert.strictEqual(report.verdict, "PASS")
      yield* until(async () => gate.logs.join("").includes("RELAY_TROUBLE"))
    }).pipe(Effect.scoped),
  60_000
)

it.live(
  "two gates on one database: one processes, both answer",
  () =>
    Effect.gen(function* () {
      const providers = yield* startProviders
      const { sql, url } = yield* migratedSchema
      const gates = yield* Effect.forEach([1, 2], () => startGate(providers, { databaseUrl: url }))
      let turn = 0
      const { report } = yield* simulate(providers, sql, () => gates[turn++ % 2]!.url, {
        events: 60,
        copies: 4
      })
      assert.strictEqual(report.verdict, "PASS", JSON.stringify(report.failed))
    }).pipe(Effect.scoped),
  60_000
)
