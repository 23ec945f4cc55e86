import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import type postgres from "postgres"
import type { GateStore } from "../../../src/domain/GateStore.ts"
import { RequestHash } from "../../../src/domain/RequestHash.ts"
import { type ClaimRow, claimRows } from "../../../src/infra/postgres/claimStatement.ts"
import * as Database from "../../../src/infra/postgres/Database.ts"
import * as SettledBodies from "../../../src/infra/postgres/SettledBodies.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { claimed, delivery, fact, openStore, proving } from "../../support/Store.ts"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

/** Done, and met as done by this gate. */
const settled = Effect.fnUntraced(function* (store: typeof GateStore.Service, key: string) {
  const request = delivery(key, key, { transmission: key })
  yield* store.complete(yield* claimed(store, request), proving(fact(key)))
  assert.deepStrictEqual(yield* store.claim(request), { _tag: "Duplicate", state: "done" })
  return request
})

const purge = (sql: postgres.Sql, keys: ReadonlyArray<string>) =>
  Effect.promise(() =>
    sql.begin(async (held) => {
      await held`SET LOCAL session_replication_role = replica`
      for (const table of ["webhook_payloads", "webhook_dedup_events"])
        await held`DELETE FROM ${held(table)} WHERE dedup_key = ANY (${[...keys]})`
    })
  )

layer(Schema.layer, { excludeTestServices: true, timeout: "3 minutes" })(
  "copies of a settled event",
  (it) => {
    it.effect("are noted with their count, and nobody tries to insert them", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        const request = yield* settled(store, "ev_copies")
        // Each attempt to insert an event takes a number.
        const numbers = Effect.promise(async () => {
          const [row] =
            await sql`SELECT pg_sequence_last_value(pg_get_serial_sequence('webhook_dedup_events', 'id')) AS last`
          return row!.last
        })
        const before = yield* numbers
        const answers = yield* Effect.forEach(Array.from({ length: 20 }), () => store.claim(request), {
          concurrency: "unbounded"
        })
        assert.strictEqual(yield* numbers, before)
        assert.deepStrictEqual(
          answers,
          Array.from({ length: 20 }, () => ({ _tag: "Duplicate", state: "done" }))
        )
        const notes = yield* Effect.promise(
          () => sql`SELECT version, data FROM webhook_event_log
                   WHERE dedup_key = 'ev_copies' AND type = 'DuplicateSeen' ORDER BY position`
        )
        assert.deepStrictEqual(
          notes.map((note) => ({ ...note })),
          [1, 20].map((count) => ({ version: 2, data: { state: "done", count } }))
        )
      })
    )

    it.effect("are claimed anew where the event was purged, with their body", () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const store = yield* openStore(url)
        const request = yield* settled(store, "ev_purged")
        yield* purge(sql, ["ev_purged"])
        assert.strictEqual((yield* claimed(store, request)).fence, 1)
        const bodies = yield* Effect.promise(
          () => sql`SELECT FROM webhook_payloads WHERE dedup_key = 'ev_purged'`
        )
        assert.strictEqual(bodies.length, 1)
      })
    )

    it.effect(
      "under a transmission of their own are recorded with it: another body under that one is forged",
      () =>
        Effect.gen(function* () {
          const { url } = yield* Schema
          const store = yield* openStore(url)
          yield* settled(store, "ev_again")
          const again = delivery("ev_again", "ev_again", { transmission: "tr_again" })
          assert.deepStrictEqual(yield* store.claim(again), { _tag: "Duplicate", state: "done" })
          const forged = delivery("ev_other", "another body", { transmission: "tr_again" })
          assert.deepStrictEqual(yield* store.claim(forged), { _tag: "Forged" })
        })
    )

    it.effect("are not taken for one where the event is their own, of a lost reply", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const database = yield* Layer.build(
          Database.layer({
            url: Redacted.make(url),
            claimConnections: 1,
            completionConnections: 1,
            statementTimeoutMs: 5_000
          })
        )
        const { claims } = Context.get(database, Database.Database)
        const row: ClaimRow = {
          provider: "paypal",
          dedupKey: "ev_own",
          requestHash: "of the body",
          token: randomUUID(),
          eventType: null,
          trace: null,
          keyId: "test",
          sealed: Buffer.alloc(0),
          kind: "claim",
          original: null,
          transmission: null,
          proven: { note: "unmapped", facts: [] },
          copy: false
        }
        const ask = (asked: ClaimRow) => claimRows(claims, [asked], [1], 30_000)
        assert.deepStrictEqual(yield* ask(row), ["completed"])
        assert.deepStrictEqual(yield* ask({ ...row, copy: true, proven: null }), ["unsettled"])
        assert.deepStrictEqual(yield* ask({ ...row, copy: true, proven: null, token: randomUUID() }), [
          "settled"
        ])
      })
    )

    it.effect("cost one statement more where the memory of them lies", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const store = yield* openStore(url)
        const request = delivery("ev_lie")
        // What an empty place holds is no mark of any body.
        const hash = RequestHash.make("00000000".repeat(8))
        assert.strictEqual(
          (yield* claimed(store, { ...request, delivery: { ...request.delivery, hash } })).fence,
          1
        )
        const bodies = SettledBodies.make()
        for (const mark of ["00000000", "00000001", "ffffffff"]) {
          const met = `0000002a${mark}`.padEnd(64, "f")
          assert.isFalse(bodies.has(met))
          bodies.add(met)
          assert.isTrue(bodies.has(met))
          bodies.forget(met)
          assert.isFalse(bodies.has(met))
        }
      })
    )

    it.effect(
      "whose event another session is about to insert fail alone: the others of their group are claimed",
      () =>
        Effect.gen(function* () {
          const { sql, url } = yield* Schema
          const store = yield* openStore(url)
          const requests = [yield* settled(store, "ev_held"), yield* settled(store, "ev_free")]
          yield* purge(sql, ["ev_held", "ev_free"])
          const answers = yield* Effect.promise(() =>
            sql.begin(async (held) => {
              await held`INSERT INTO webhook_dedup_events (provider, dedup_key, status) VALUES ('paypal', 'ev_held', 'processing')`
              return Effect.runPromise(
                Effect.forEach(requests, (request) => Effect.result(store.claim(request)), {
                  concurrency: "unbounded"
                })
              )
            })
          )
          assert.deepStrictEqual(
            answers.map((answer) => (answer._tag === "Success" ? answer.success._tag : answer.failure.code)),
            ["55P03", "Claimed"]
          )
        })
    )

    it.effect("that are not done yet, or whose body is another, are told what they met", () =>
      Effect.gen(function* () {
        const { url } = yield* Schema
        const store = yield* openStore(url)
        // Known as done under a first key; another event has the same body.
        const first = yield* settled(store, "ev_body")
        const same = delivery("ev_body_2", "ev_body")
        yield* claimed(store, same)
        assert.deepStrictEqual(yield* store.claim(first), { _tag: "Duplicate", state: "done" }) // known again
        assert.deepStrictEqual(yield* store.claim(same), { _tag: "Duplicate", state: "processing" })
        const other = yield* settled(store, "ev_other_body")
        const conflict = delivery("ev_body", other.delivery.body.toString())
        assert.deepStrictEqual(yield* store.claim(conflict), { _tag: "Conflict" })
      })
    )
  }
)
