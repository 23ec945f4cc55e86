import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Schedule } from "effect"
import { database } from "../../../src/cli/Service.ts"
import { GateStore } from "../../../src/domain/GateStore.ts"
import { Policy } from "../../../src/domain/Policy.ts"
import { type Provider, Providers } from "../../../src/domain/Provider.ts"
import * as Rescuer from "../../../src/domain/Rescuer.ts"
import * as Workers from "../../../src/domain/Workers.ts"
import * as Custody from "../../../src/infra/crypto/Custody.ts"
import * as LogSignal from "../../../src/infra/postgres/LogSignal.ts"
import * as PostgresGateStore from "../../../src/infra/postgres/PostgresGateStore.ts"
import * as Rotation from "../../../src/infra/postgres/Rotation.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { claimed, delivery, endpoint, fact, policy, proving } from "../../support/Store.ts"
import { auditOf } from "../audit/AuditWorld.ts"

const key = (id: string, fill: number) => ({ id, key: Redacted.make(new Uint8Array(32).fill(fill)) })
const OLD = key("old", 1)
const NEW = key("new", 2)
type Keys = readonly [Custody.MasterKey, ...Array<Custody.MasterKey>]

const gate = (url: string, keys: Keys) =>
  PostgresGateStore.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        database({ databaseUrl: Redacted.make(url) }),
        Layer.fresh(LogSignal.layer),
        Layer.succeed(Policy, { ...policy, backoffBaseMs: 20, backoffMaxMs: 50 }),
        Custody.layer(keys)
      )
    ),
    Layer.fresh
  )

const storeOf = (url: string, keys: Keys) =>
  Effect.map(
    Layer.build(gate(url, keys)),
    (context) => context.mapUnsafe.get(GateStore.key) as typeof GateStore.Service
  )

const rotate = (url: string, keys: Keys) =>
  Rotation.rotate(keys[0].id, () => {}).pipe(Effect.provide(gate(url, keys)))

const counts = (url: string) =>
  Effect.map(Rotation.status.pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) }))), (rows) =>
    Object.fromEntries(rows.map(({ bodies, key_id }) => [key_id, bodies]))
  )

const many = Array.from({ length: 450 }, (_, index) => `ev_body_${index}`)

describe("rotation of master keys", () => {
  it.live("seals every body anew under the first key, which alone opens them afterwards", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const before = yield* storeOf(url, [OLD])
      yield* Effect.forEach(many, (name) => before.claim(delivery(name, `body of ${name}`)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(yield* counts(url), { old: 450 })
      assert.deepInclude(yield* rotate(url, [NEW, OLD]), { seen: 450, rotated: 450, gone: 0, broken: 0 })
      assert.deepStrictEqual(yield* counts(url), { new: 450 })
      // Again: nothing to write.
      assert.deepInclude(yield* rotate(url, [NEW, OLD]), { seen: 450, rotated: 0 })

      const rows = yield* Effect.promise(
        () => sql<Array<{ dedup_key: string; key_id: string; sealed: Buffer }>>`
          SELECT dedup_key, key_id, sealed FROM webhook_payloads`
      )
      const alone = Custody.make([NEW])
      yield* Effect.forEach(rows, ({ dedup_key, key_id, sealed }) =>
        Effect.map(alone.open("paypal", dedup_key, { keyId: key_id, bytes: sealed }), (body) =>
          assert.strictEqual(Buffer.from(body).toString(), `body of ${dedup_key}`)
        )
      )
    }).pipe(Effect.scoped)
  )

  it.live("a body that was purged, or replaced by another one, meanwhile is left as it is", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const before = yield* storeOf(url, [OLD])
      yield* Effect.forEach(["a", "b", "c"], (name) => before.claim(delivery(`ev_${name}`)))
      const custody = Custody.make([OLD])
      const other = custody.seal("paypal", "ev_b", Buffer.from("another body"))
      // Between reading and writing of a batch: the custody of the rotation is where a test can step in.
      const meddling = Custody.Custody.of({
        ...Custody.make([NEW, OLD]),
        open: (provider, dedupKey, sealed) =>
          Effect.andThen(
            dedupKey === "ev_a"
              ? Effect.promise(async () => {
                  await sql`DELETE FROM webhook_payloads WHERE dedup_key = 'ev_a'`
                  await sql`UPDATE webhook_payloads SET sealed = ${other.bytes} WHERE dedup_key = 'ev_b'`
                })
              : Effect.void,
            Custody.make([NEW, OLD]).open(provider, dedupKey, sealed)
          )
      })
      const summary = yield* Rotation.rotate("new", () => {}).pipe(
        Effect.provideService(Custody.Custody, meddling),
        Effect.provide(database({ databaseUrl: Redacted.make(url) }))
      )
      assert.deepInclude(summary, { rotated: 1, gone: 2 })
      const [row] = yield* Effect.promise(
        () => sql<Array<{ key_id: string; sealed: Buffer }>>`
          SELECT key_id, sealed FROM webhook_payloads WHERE dedup_key = 'ev_b'`
      )
      const opened = yield* custody.open("paypal", "ev_b", { keyId: row!.key_id, bytes: row!.sealed })
      assert.strictEqual(Buffer.from(opened).toString(), "another body")
      // A second run takes what is left.
      assert.deepInclude(yield* rotate(url, [NEW, OLD]), { rotated: 1, gone: 0 })
    }).pipe(Effect.scoped)
  )

  it.live("while claims, completions and takes go on, nothing fails and the audit stays clean", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      const store = yield* storeOf(url, [OLD, NEW])
      yield* Effect.all(
        [
          Effect.forEach(
            many,
            (name) =>
              Effect.flatMap(claimed(store, delivery(name)), (claim) =>
                store.complete(claim, proving(fact(`capture:${name}:completed`)))
              ),
            { concurrency: 20, discard: true }
          ),
          Effect.forEach([1, 2, 3, 4], () => rotate(url, [NEW, OLD]))
        ],
        { concurrency: "unbounded" }
      )
      yield* rotate(url, [NEW, OLD])
      assert.deepStrictEqual(yield* counts(url), { new: 450 })
      assert.deepStrictEqual((yield* auditOf(url)).named, [])
    }).pipe(Effect.scoped)
  )

  it.live("a body whose key is missing waits, uncounted, and is processed once the key is back", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const before = yield* storeOf(url, [OLD])
      const first = yield* claimed(before, delivery("ev_waits"))
      yield* before.fail(first, { kind: "world", code: "provider_unavailable", delayMs: 0 })
      assert.deepInclude(yield* rotate(url, [NEW]), { rotated: 0, missing: { old: 1 } })

      const row = Effect.promise(async () => {
        const [found] = await sql<
          Array<{ status: string; error_code: string | null; attempts: number; failures: number }>
        >`SELECT status, error_code, attempts, failures FROM webhook_dedup_events WHERE dedup_key = 'ev_waits'`
        return found!
      })
      const until = (good: (found: Effect.Success<typeof row>) => boolean) =>
        row.pipe(
          Effect.flatMap((found) => (good(found) ? Effect.succeed(found) : Effect.fail("not yet"))),
          Effect.retry(Schedule.spaced(20)),
          Effect.orDie
        )
      const bodies: Array<string> = []
      const provider: Provider = {
        endpoint,
        aliases: [],
        identify: () => Effect.die("not asked"),
        interpret: ({ body }) =>
          Effect.sync(() => {
            bodies.push(Buffer.from(body).toString())
            return proving(fact("capture:waits:completed"))
          })
      }
      const rescuer = (keys: Keys) =>
        Rescuer.layer({ pollMs: 10, concurrency: { rescue: 4, retry: 4, busy: 1, unconfirmed: 1 } }).pipe(
          Layer.provide(Workers.layer({ drainMs: 100 })),
          Layer.provide(Layer.succeed(Providers, new Map([["paypal", provider]]))),
          Layer.provide(gate(url, keys)),
          Layer.provide(Logger.layer([]))
        )
      // More tries than an event has attempts: none is counted.
      const waiting = yield* Effect.scoped(
        Effect.andThen(
          Layer.build(rescuer([NEW])),
          until(({ failures }) => failures > policy.maxAttempts + 2)
        )
      )
      assert.deepInclude(waiting, { attempts: 0 })
      assert.deepStrictEqual(bodies, [])
      yield* until(({ error_code }) => error_code === "master_key_missing")

      yield* Effect.scoped(
        Effect.andThen(
          Layer.build(rescuer([NEW, OLD])),
          until(({ status }) => status === "done")
        )
      )
      assert.deepStrictEqual(bodies, ["ev_waits"])
      assert.deepStrictEqual((yield* auditOf(url)).named, [])
    }).pipe(Effect.scoped)
  )
})
