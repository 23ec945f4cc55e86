import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import postgres from "postgres"
import { database } from "../../src/cli/Service.ts"
import * as EmbeddedPostgres from "../../src/infra/embedded/EmbeddedPostgres.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import { environmentOf, startProviders, until } from "../support/Gate.ts"
import { serve } from "../support/ServeProcess.ts"

/** A PostgreSQL of this test's own, which it may crash and start again. */
const ownPostgres = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(path.join(tmpdir(), "oncegate-pg-"))),
    (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
  )
  let scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Effect.suspend(() => Scope.close(scope, Exit.void)))
  const up = () =>
    Effect.map(Scope.provide(EmbeddedPostgres.start({ folder }), scope), ({ url }) => Redacted.value(url))
  const url = yield* up()
  return {
    url,
    /** Ends it at once, as `pg_ctl -m immediate` does, and starts it again with recovery. */
    crash: Effect.gen(function* () {
      const pid = Number(readFileSync(path.join(folder, "data", "postmaster.pid"), "utf8").split("\n")[0])
      process.kill(pid, "SIGQUIT")
      yield* Scope.close(scope, Exit.void)
      scope = yield* Scope.make()
      assert.strictEqual(yield* up(), url)
    })
  }
})

// Not yet steady: now and then the gate ends with a socket error that a driver lets go. Runs with ONCEGATE_FAULTS=all.
it.live.skipIf(process.env.ONCEGATE_FAULTS !== "all")(
  "a database that crashes, restarts and ends sessions under load: only 200 and 503, back within seconds, no lost 200",
  () =>
    Effect.gen(function* () {
      const pg = yield* ownPostgres
      const providers = yield* startProviders
      yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(pg.url) })))
      const gate = yield* Effect.promise(() =>
        serve({
          ...environmentOf(providers, pg.url),
          KAFKA_BROKERS: "127.0.0.1:1",
          LEASE_MS: "2000",
          BACKOFF_BASE_MS: "100",
          LOG_LEVEL: "info",
          ADMIN_PORT: "0"
        })
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => gate.child.kill("SIGKILL")))

      const courier = Courier.make(24, 15_000)
      const url = new URL(`${gate.url}/webhooks/paypal`)
      const answers: Array<{ key: string; status: number; at: number }> = []
      let isOver = false
      const load = Array.from({ length: 24 }, async () => {
        while (!isOver) {
          const { body, copies, dedupKey } = providers.capture()
          const { httpStatus } = await courier.deliver(url, copies[0]!, body)
          answers.push({ key: dedupKey, status: httpStatus, at: performance.now() })
          if (httpStatus !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
        }
      })
      const acked = () => answers.filter(({ status }) => status === 200)
      const ackedAfter = (moment: number) => until(async () => acked().some(({ at }) => at > moment))

      yield* until(async () => acked().length > 100)
      const backs: Array<number> = []
      for (let crash = 0; crash < 3; crash += 1) {
        yield* pg.crash
        const returned = performance.now()
        yield* ackedAfter(returned)
        backs.push(performance.now() - returned)
        const before = acked().length
        yield* until(async () => acked().length > before + 50)
      }
      const admin = postgres(pg.url, { max: 1, onnotice: () => {} })
      for (let round = 0; round < 5; round += 1) {
        yield* Effect.promise(
          () =>
            admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oncegate%'`
        )
        const before = acked().length
        yield* until(async () => acked().length > before + 20)
      }
      isOver = true
      yield* Effect.promise(() => Promise.all(load))
      courier.close()

      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))].sort(), [200, 503])
      for (const back of backs) assert.isBelow(back, 5_000)
      assert.isNull(gate.child.exitCode, "the gate lives")
      yield* until(async () => {
        const [row] = await admin<
          Array<{ open: number }>
        >`SELECT count(*)::int AS open FROM webhook_dedup_events WHERE status <> 'done'`
        return row!.open === 0
      })
      const done = yield* Effect.promise(
        () =>
          admin<
            Array<{ dedup_key: string }>
          >`SELECT dedup_key FROM webhook_dedup_events WHERE status = 'done'`
      )
      const keys = new Set(done.map(({ dedup_key }) => dedup_key))
      assert.deepStrictEqual(
        acked().filter(({ key }) => !keys.has(key)),
        []
      )
      const [sessions] = yield* Effect.promise(
        () =>
          admin<
            Array<{ open: number }>
          >`SELECT count(*)::int AS open FROM pg_stat_activity WHERE application_name LIKE 'oncegate%'`
      )
      assert.isAtMost(sessions!.open, 14, "no connection leaked")
      yield* Effect.promise(() => admin.end())
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "a database that refuses (read-only, no connections left) is answered 503 with Retry-After, and no claim without custody",
  () =>
    Effect.gen(function* () {
      const pg = yield* ownPostgres
      const providers = yield* startProviders
      yield* Migrations.migrate.pipe(Effect.provide(database({ databaseUrl: Redacted.make(pg.url) })))
      const gate = yield* Effect.promise(() =>
        serve({
          ...environmentOf(providers, pg.url),
          KAFKA_BROKERS: "127.0.0.1:1",
          LOG_LEVEL: "info",
          ADMIN_PORT: "0"
        })
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => gate.child.kill("SIGKILL")))
      const admin = postgres(pg.url, { max: 1, onnotice: () => {} })
      const send = () =>
        Effect.promise(async () => {
          const { body, copies } = providers.capture()
          const response = await fetch(`${gate.url}/webhooks/paypal`, {
            method: "POST",
            headers: copies[0]!,
            body: Buffer.from(body)
          })
          return { status: response.status, retryAfter: response.headers.get("retry-after") }
        })
      assert.strictEqual((yield* send()).status, 200)

      const everySession = (setting: string) =>
        Effect.promise(async () => {
          await admin.unsafe(`ALTER DATABASE oncegate SET ${setting}`)
          await admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oncegate%'`
        })
      yield* everySession("default_transaction_read_only = on")
      const refused = yield* until(async () => {
        const answer = await Effect.runPromise(send())
        return answer.status === 503 && answer
      })
      assert.isNotNull(refused.retryAfter)
      yield* Effect.promise(() => admin.unsafe("SET default_transaction_read_only = off"))
      yield* everySession("default_transaction_read_only = off")
      yield* until(async () => (await Effect.runPromise(send())).status === 200)

      // full disk, as a trigger would feel it: custody cannot be written, so nothing is claimed
      yield* Effect.promise(() =>
        admin.unsafe(`
        CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER disk_full BEFORE INSERT ON webhook_payloads FOR EACH ROW EXECUTE FUNCTION disk_full()`)
      )
      const [before] = yield* Effect.promise(
        () => admin`SELECT count(*)::int AS rows FROM webhook_dedup_events`
      )
      assert.strictEqual((yield* send()).status, 503)
      const [after] = yield* Effect.promise(
        () => admin`SELECT count(*)::int AS rows FROM webhook_dedup_events`
      )
      assert.deepStrictEqual({ ...after }, { ...before })
      yield* Effect.promise(() => admin.unsafe("DROP TRIGGER disk_full ON webhook_payloads"))
      assert.strictEqual((yield* send()).status, 200)
      yield* Effect.promise(() => admin.end())
    }).pipe(Effect.scoped),
  60_000
)
