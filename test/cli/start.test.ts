import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { database } from "../../src/cli/Service.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { migratedSchema, startGate } from "../support/Gate.ts"
import { Providers } from "../support/House.ts"
import { ownFolder, ownPostgres } from "../support/OwnPostgres.ts"

/** What a start on this database is refused with. */
const refusal = Effect.fnUntraced(function* (databaseUrl: string) {
  const providers = yield* Providers
  return yield* Effect.match(startGate(providers, { databaseUrl }), {
    onSuccess: () => "it started",
    onFailure: ({ message }) => String(message)
  })
})

layer(Providers.layer, { excludeTestServices: true, timeout: "2 minutes" })("a gate does not start", (it) => {
  it.effect.each([
    [
      "while migrations are pending",
      "DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)",
      "1 migrations are pending: run `oncegate migrate`"
    ],
    [
      "on the schema of a later version",
      "INSERT INTO schema_migrations (name, sha256) VALUES ('9999_later.sql', 'x')",
      "which this version does not know: start a newer version"
    ],
    [
      "with an endpoint that was of another environment",
      "INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key) VALUES ('paypal', 'paypal', 'live', '\\x00')",
      "endpoint paypal belongs to paypal (live) in this database"
    ],
    [
      "with an endpoint that was of another kind",
      "INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key) VALUES ('toss', 'paypal', 'simulated', '\\x00')",
      "endpoint toss belongs to paypal (simulated) in this database"
    ]
  ] as const)("%s", ([, change, said]) =>
    Effect.gen(function* () {
      const { sql, url } = yield* migratedSchema
      yield* Effect.promise(() => sql.unsafe(change))
      assert.include(yield* refusal(url), said)
    })
  )

  it.effect("on a database that takes no writes, as a standby does", () =>
    Effect.gen(function* () {
      const { url } = yield* migratedSchema
      assert.include(yield* refusal(`${url}&default_transaction_read_only=on`), "cannot be used (25006)")
    })
  )

  it.effect("on a database that would lose what it confirmed", () =>
    Effect.gen(function* () {
      const { url } = yield* ownPostgres(yield* ownFolder, { fsync: "off" })
      yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(url) })))
      assert.include(yield* refusal(url), "fsync=off")
    })
  )
})
