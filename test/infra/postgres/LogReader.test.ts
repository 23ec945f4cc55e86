import { Effect, ManagedRuntime } from "effect"
import postgres from "postgres"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type Connection, Database } from "../../../src/infra/postgres/Database.ts"
import { cut, next, origin, type Place, prepareSession, startAt } from "../../../src/infra/postgres/LogReader.ts"
import * as Migrations from "../../../src/infra/postgres/Migrations.ts"
import { freshSchema } from "../../support/Services.ts"
import { countNumbers, NOTHING_WRONG } from "../kafka/Ledger.ts"
import { prepare, startWriters, writeBulk, writeOne } from "../kafka/LogWriter.ts"
import { databaseLayer } from "../kafka/RelayWorld.ts"

const open = async () => {
  const { url } = await freshSchema()
  const sql = postgres(url, { max: 40, onnotice: () => {} })
  const runtime = ManagedRuntime.make(databaseLayer(url))
  await runtime.runPromise(Migrations.migrate)
  const { claims } = await runtime.runPromise(Database)
  const scope = await runtime.runPromise(Effect.scope.pipe(Effect.scoped))
  void scope
  return { sql, runtime, connection: claims as Connection }
}

let world: Awaited<ReturnType<typeof open>>
beforeEach(async () => {
  world = await open()
})
