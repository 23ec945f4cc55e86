import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import postgres from "postgres"
import { database } from "../../../src/cli/Service.ts"
import { DedupRow } from "../../../src/infra/postgres/DedupRow.ts"
import * as Migrations from "../../../src/infra/postgres/Migrations.ts"
import { migratedSchema } from "../../support/Gate.ts"
import { freshSchema } from "../../support/Services.ts"
import { claimed, delivery, openStore, proving } from "../../support/Store.ts"

const emptySchema = Effect.gen(function* () {
  const { schema, url } = yield* Effect.promise(freshSchema)
  const sql = yield* Effect.acquireRelease(
    Effect.sync(() => postgres(url, { max: 2, onnotice: () => {} })),
    (open) => Effect.promise(() => open.end({ timeout: 2 }))
  )
  const migrate = Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) })))
  return { migrate, schema, sql, url }
})

/** As the earlier gate's ORM made it: the status index without its predicate. */
const EARLIER = `
  CREATE TABLE webhook_dedup_events (
    id BIGSERIAL PRIMARY KEY, provider TEXT NOT NULL, dedup_key TEXT NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL DEFAULT now(), last_seen_at TIMESTAMPTZ,
    status TEXT NOT NULL DEFAULT 'processing' CHECK (status IN ('processing', 'done', 'failed')), request_hash TEXT,
    CONSTRAINT uq_webhook_dedup_events UNIQUE (provider, dedup_key));
  CREATE INDEX idx_webhook_dedup_provider_key ON webhook_dedup_events (provider, dedup_key);
  CREATE INDEX idx_webhook_dedup_status ON webhook_dedup_events (status);
  CREATE INDEX idx_webhook_dedup_first_seen ON webhook_dedup_events (first_seen_at DESC);
  INSERT INTO webhook_dedup_events (provider, dedup_key, status) VALUES
    ('paypal', 'ev_old_done', 'done'), ('paypal', 'ev_old_failed', 'failed'), ('paypal', 'ev_old_open', 'processing')`

describe("migrations", () => {
  it.live("two starts at once apply each file once", () =>
    Effect.gen(function* () {
      const { migrate } = yield* emptySchema
      const applied = yield* Effect.all([migrate, migrate, migrate], { concurrency: "unbounded" })
      assert.strictEqual(applied.filter((names) => names.length > 0).length, 1)
      assert.isAtLeast(applied.flat().length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("a file that was changed after it was applied is refused by name", () =>
    Effect.gen(function* () {
      const { migrate, sql } = yield* emptySchema
      yield* migrate
      yield* Effect.promise(() => sql`UPDATE schema_migrations SET sha256 = 'x' WHERE name LIKE '0001%'`)
      const refused = yield* Effect.flip(migrate)
      assert.strictEqual(refused._tag, "MigrationsRefused")
      assert.include(refused.message, "0001_webhook_dedup_events.sql")
    }).pipe(Effect.scoped)
  )

  it.live("AC5, AC6: names, columns, check and indexes are those of the code's row type", () =>
    Effect.gen(function* () {
      const { sql } = yield* migratedSchema
      const columns = yield* Effect.promise(
        () => sql<Array<{ name: string; nullable: boolean; fallback: boolean }>>`
          SELECT column_name AS name, is_nullable = 'YES' AS nullable, column_default IS NOT NULL AS fallback
            FROM information_schema.columns
           WHERE table_schema = current_schema() AND table_name = 'webhook_dedup_events' ORDER BY ordinal_position`
      )
      assert.deepStrictEqual(
        columns.map(({ name }) => name),
        Object.keys(DedupRow.fields)
      )
      for (const { fallback, name, nullable } of columns) {
        const field = DedupRow.fields[name as keyof typeof DedupRow.fields]
        assert.strictEqual("members" in field && field.members.length === 2, nullable, `${name} nullable`)
        if (!["provider", "dedup_key"].includes(name))
          assert.isTrue(fallback || nullable, `${name} has a default`)
      }
      const constraints = yield* Effect.promise(
        () => sql<Array<{ name: string; definition: string }>>`
          SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
           WHERE conrelid = 'webhook_dedup_events'::regclass AND contype IN ('u', 'c') ORDER BY contype DESC`
      )
      assert.deepInclude(
        { ...constraints[0] },
        { name: "uq_webhook_dedup_events", definition: "UNIQUE (provider, dedup_key)" }
      )
      assert.match(constraints[1]!.definition, /status.*processing.*done.*failed/)
      const indexes = yield* Effect.promise(
        () => sql<Array<{ name: string; definition: string }>>`
          SELECT indexname AS name, indexdef AS definition FROM pg_indexes
           WHERE schemaname = current_schema() AND tablename = 'webhook_dedup_events'`
      )
      const definitionOf = (name: string) =>
        indexes.find((index) => index.name === name)?.definition ?? "absent"
      assert.match(definitionOf("idx_webhook_dedup_provider_key"), /\(provider, dedup_key\)$/)
      assert.match(definitionOf("idx_webhook_dedup_status"), /\(status\) WHERE .*processing.*failed/)
      assert.match(definitionOf("idx_webhook_dedup_first_seen"), /\(first_seen_at DESC\)$/)
      // ON CONFLICT (provider, dedup_key) covers no other unique index: identical deliveries would raise 23505.
      assert.strictEqual(indexes.filter(({ definition }) => definition.includes("UNIQUE")).length, 2)
    }).pipe(Effect.scoped)
  )

  it.live(
    "adopts the earlier gate's table: done stays done, the open is parked and healed by a redelivery",
    () =>
      Effect.gen(function* () {
        const { migrate, sql, url } = yield* emptySchema
        yield* Effect.promise(() => sql.unsafe(EARLIER).simple())
        yield* migrate
        const rows = yield* Effect.promise(
          () => sql<Array<{ dedup_key: string; status: string; error_code: string | null }>>`
          SELECT dedup_key, status, error_code FROM webhook_dedup_events ORDER BY id`
        )
        assert.deepStrictEqual(
          rows.map((row) => ({ ...row })),
          [
            { dedup_key: "ev_old_done", status: "done", error_code: null },
            { dedup_key: "ev_old_failed", status: "failed", error_code: "no_custody" },
            { dedup_key: "ev_old_open", status: "failed", error_code: "no_custody" }
          ]
        )
        const store = yield* openStore(url)
        assert.deepStrictEqual(yield* store.claim(delivery("ev_old_done")), {
          _tag: "Duplicate",
          state: "done"
        })
        yield* store.complete(yield* claimed(store, delivery("ev_old_open")), proving())
        const [index] = yield* Effect.promise(
          () => sql<Array<{ indexdef: string }>>`
          SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 'idx_webhook_dedup_status'`
        )
        assert.include(index!.indexdef, "WHERE")
      }).pipe(Effect.scoped)
  )
})
