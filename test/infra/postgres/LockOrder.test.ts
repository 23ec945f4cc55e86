import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import type postgres from "postgres"
import { claimRows } from "../../../src/infra/postgres/claimStatement.ts"
import { completeRows } from "../../../src/infra/postgres/completeStatement.ts"
import { type Connection, make } from "../../../src/infra/postgres/Database.ts"
import { failRows, renewRows } from "../../../src/infra/postgres/failStatement.ts"
import { reclaimRows } from "../../../src/infra/postgres/reclaimStatement.ts"
import { migratedSchema, until } from "../../support/Gate.ts"

class World extends Context.Service<World, { readonly sql: postgres.Sql; readonly connection: Connection }>()(
  "test/World"
) {
  static readonly layer = Layer.effect(
    World,
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      const database = yield* make({
        url: Redacted.make(url),
        claimConnections: 1,
        completionConnections: 1,
        statementTimeoutMs: 10_000
      })
      return { sql, connection: database.claims }
    })
  )
}

const claim = (dedupKey: string, transmission: string | null = null) => ({
  provider: "paypal",
  dedupKey,
  requestHash: "0".repeat(64),
  token: crypto.randomUUID(),
  eventType: null,
  trace: null,
  keyId: "test",
  sealed: Buffer.from("sealed"),
  kind: "claim" as const,
  original: null,
  transmission: transmission === null ? null : { id: transmission, crc32: 1 },
  proven: null,
  copy: false
})
const event = (dedupKey: string) => ({
  provider: "paypal",
  dedupKey,
  fence: 1,
  eventType: null,
  note: null,
  trace: null
})
const limits = { leaseMs: 30_000, maxAttempts: 3, redeliveryIntervalMs: 0 }

type Statement = (connection: Connection, keys: ReadonlyArray<string>) => Effect.Effect<unknown, unknown>

const insert = (sql: postgres.Sql, key: string) =>
  sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status) VALUES ('paypal', ${key}, 'processing')`
const lock = (sql: postgres.Sql, key: string) =>
  sql`SELECT 1 FROM webhook_dedup_events WHERE dedup_key = ${key} FOR UPDATE NOWAIT`

/** What a group does, with rows that stand there or do not, and how another session takes the same thing. */
const cases: ReadonlyArray<
  readonly [name: string, stands: "processing" | "failed" | null, Statement, typeof insert]
> = [
  [
    "claims",
    null,
    (on, keys) =>
      claimRows(
        on,
        keys.map((key) => claim(key)),
        [1, 1],
        30_000
      ),
    insert
  ],
  [
    "transmissions",
    null,
    (on, keys) =>
      claimRows(
        on,
        keys.map((key) => claim(crypto.randomUUID(), key)),
        [1, 1],
        30_000
      ),
    (sql, key) =>
      sql`INSERT INTO webhook_transmissions (provider, transmission_id, crc32, request_hash) VALUES ('paypal', ${key}, 1, 'x')`
  ],
  [
    "re-claims",
    "failed",
    (on, keys) =>
      reclaimRows(
        on,
        keys.map((key) => claim(key)),
        [1, 1],
        limits
      ),
    lock
  ],
  [
    "completions",
    "processing",
    (on, keys) =>
      completeRows(
        on,
        keys.map((key) => ({ ...event(key), facts: [], state: null }))
      ),
    lock
  ],
  [
    "failures",
    "processing",
    (on, keys) =>
      failRows(
        on,
        keys.map((key) => ({
          ...event(key),
          code: "unexpected",
          permanent: false,
          counted: true,
          delayMs: 1,
          effectKeys: [],
          released: false
        })),
        3
      ),
    lock
  ],
  ["heartbeats", "processing", (on, keys) => renewRows(on, keys.map(event), 30_000), lock],
  [
    "booked effects",
    "processing",
    (on, [last = "", first = ""]) =>
      completeRows(on, [
        {
          ...event(last),
          // On either side of the first: whichever way a plan without an order goes, it meets one of them before.
          facts: [last, first, `${last} too`].map((effectKey) => ({
            effectKey,
            digest: "x",
            onlyAfter: null,
            data: "{}"
          })),
          state: null
        }
      ]),
    (sql, key) =>
      sql`INSERT INTO billing_effects (provider, effect_key, dedup_key, digest)
          SELECT 'paypal', k, 'other', 'x' FROM unnest(${[key, `${key} too`]}::text[]) k`
  ],
  [
    "booked states",
    "processing",
    (on, keys) =>
      completeRows(
        on,
        // The rows in key order, their things in the other.
        keys.toReversed().map((key, index) => ({
          ...event(key),
          facts: [],
          state: { object: keys[index]!, digest: "x" }
        }))
      ),
    (sql, key) => sql`INSERT INTO booked_states (provider, object, state) VALUES ('paypal', ${key}, 'y')`
  ]
]

layer(World.layer, { excludeTestServices: true, timeout: "2 minutes" })(
  "a group takes what it takes in key order",
  (it) => {
    it.effect.each(cases)(
      "%s: while it waits for the first, the last is free",
      ([name, stands, statement, take]) =>
        Effect.gen(function* () {
          const { connection, sql } = yield* World
          const [first, last] = [`a ${name}`, `b ${name}`]
          if (stands !== null)
            yield* Effect.promise(
              () => sql`
                INSERT INTO webhook_dedup_events (provider, dedup_key, status, fence, version, lease_until, next_attempt_at)
                SELECT 'paypal', k, ${stands}, 1, 1, now() + interval '1 hour', now() - interval '1 hour'
                  FROM unnest(${[first, last]}::text[]) k`
            )
          const [holder, other] = yield* Effect.promise(() => Promise.all([sql.reserve(), sql.reserve()]))
          const [{ pid }] = yield* Effect.promise(
            () => holder<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`
          )
          yield* Effect.promise(() => holder`BEGIN`)
          yield* Effect.promise(async () => take(holder, first))
          const group = yield* Effect.forkChild(Effect.exit(statement(connection, [last, first])))
          yield* until(
            async () =>
              (await other`SELECT FROM pg_stat_activity WHERE ${pid} = ANY (pg_blocking_pids(pid))`).length >
              0
          )
          const taken = yield* Effect.promise(async () => {
            await other`BEGIN`
            await other`SET LOCAL lock_timeout = '200ms'`
            const result = await take(other, last).then(
              () => "free",
              ({ code }) => `held (${code})`
            )
            await other`ROLLBACK`
            await holder`ROLLBACK`
            return result
          })
          yield* Fiber.join(group)
          holder.release()
          other.release()
          assert.strictEqual(taken, "free")
        })
    )
  }
)
