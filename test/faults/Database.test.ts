import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import postgres from "postgres"
import { database } from "../../src/cli/Service.ts"
import * as Migrations from "../../src/infra/postgres/Migrations.ts"
import { environmentOf, startProviders, until } from "../support/Gate.ts"
import { ownFolder, ownPostgres } from "../support/OwnPostgres.ts"
import { serve } from "../support/ServeProcess.ts"

/** A gate before a database of its own; what it does and says is seen from outside. */
const makeWorld = Effect.gen(function* () {
  const pg = yield* ownPostgres(yield* ownFolder)
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
  /** A webhook, a new one unless given; status 0 is no answer. */
  const send = async (event = providers.capture()) => {
    const { body, copies, dedupKey } = event
    const request = {
      method: "POST",
      headers: copies[0]!,
      body: Buffer.from(body),
      signal: AbortSignal.timeout(15_000)
    }
    const { headers, status } = await fetch(`${gate.url}/webhooks/paypal`, request).catch(() => ({
      status: 0,
      headers: new Headers()
    }))
    return { event, key: dedupKey, status, retryAfter: headers.get("retry-after"), at: performance.now() }
  }
  /** A session of the test's own; open to a database that is up. */
  const openAdmin = (name = "oncegate") =>
    Effect.acquireRelease(
      Effect.sync(() => postgres(pg.url, { database: name, max: 1, fetch_types: false, onnotice: () => {} })),
      (sql) => Effect.promise(() => sql.end({ timeout: 1 }))
    )
  return { pg, gate, send, openAdmin }
})

/** Ends every session of the gate. */
const endSessions = (admin: postgres.Sql) =>
  Effect.promise(
    () =>
      admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oncegate%'`
  )

it.live(
  "a database that crashes, restarts and ends sessions under load: only 200 and 503, back within seconds, no lost 200",
  () =>
    Effect.gen(function* () {
      const { gate, openAdmin, pg, send } = yield* makeWorld
      const answers: Array<Awaited<ReturnType<typeof send>>> = []
      let isOver = false
      const load = Array.from({ length: 24 }, async () => {
        while (!isOver) {
          const answer = await send()
          answers.push(answer)
          if (answer.status !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
        }
      })
      const acked = () => answers.filter(({ status }) => status === 200)
      const untilAcked = (isEnough: () => boolean) =>
        until(async () => {
          assert.isNull(gate.child.exitCode, gate.output().slice(-2_000))
          return isEnough()
        })
      const ackedMore = (count: number) =>
        Effect.suspend(() => {
          const before = acked().length
          return untilAcked(() => acked().length > before + count)
        })

      yield* ackedMore(100)
      const backs: Array<number> = []
      for (let crash = 0; crash < 3; crash += 1) {
        yield* pg.crash
        const returned = performance.now()
        yield* untilAcked(() => acked().some(({ at }) => at > returned))
        backs.push(performance.now() - returned)
        yield* ackedMore(50)
      }
      const admin = yield* openAdmin()
      for (let round = 0; round < 5; round += 1) {
        yield* endSessions(admin)
        yield* ackedMore(20)
      }
      isOver = true
      yield* Effect.promise(() => Promise.all(load))

      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))].sort(), [200, 503])
      for (const back of backs) assert.isBelow(back, 5_000)
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
    }).pipe(Effect.scoped),
  120_000
)

it.live(
  "a database that refuses is answered 503 with Retry-After, without a claim, and 200 as soon as it serves again",
  () =>
    Effect.gen(function* () {
      const { gate, openAdmin, send } = yield* makeWorld
      const admin = yield* openAdmin()
      const outside = yield* openAdmin("postgres")
      const run = (text: string, sql = admin) => Effect.promise(() => sql.unsafe(text))
      const answered = (wanted: number) =>
        until(async () => {
          const answer = await send()
          assert.include([200, 503], answer.status, gate.output().slice(-2_000))
          return answer.status === wanted && answer
        })
      const rows = Effect.promise(async () => {
        const [row] = await admin<
          Array<{ rows: number }>
        >`SELECT count(*)::int AS rows FROM webhook_dedup_events`
        return row!.rows
      })
      yield* answered(200)

      const troubles = {
        "read-only": {
          begin: run("ALTER DATABASE oncegate SET default_transaction_read_only = on").pipe(
            Effect.andThen(endSessions(admin))
          ),
          end: run(
            "SET default_transaction_read_only = off; ALTER DATABASE oncegate SET default_transaction_read_only = off"
          ).pipe(Effect.andThen(endSessions(admin)))
        },
        "lets nobody in": {
          begin: Effect.andThen(
            run("ALTER DATABASE oncegate ALLOW_CONNECTIONS false", outside),
            endSessions(admin)
          ),
          end: run("ALTER DATABASE oncegate ALLOW_CONNECTIONS true", outside)
        },
        "locked by somebody (lock_timeout)": {
          begin: run("BEGIN; LOCK TABLE webhook_dedup_events IN EXCLUSIVE MODE"),
          end: run("ROLLBACK")
        },
        // As a trigger would feel it: custody cannot be written.
        "full disk": {
          begin: run(`
            CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
              $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER disk_full BEFORE INSERT ON webhook_payloads FOR EACH ROW EXECUTE FUNCTION disk_full()`),
          end: run("DROP TRIGGER disk_full ON webhook_payloads")
        }
      }
      for (const [trouble, { begin, end }] of Object.entries(troubles)) {
        yield* begin
        const { retryAfter } = yield* answered(503)
        assert.isNotNull(retryAfter, trouble)
        const before = yield* rows
        assert.strictEqual((yield* Effect.promise(() => send())).status, 503, trouble)
        assert.strictEqual(yield* rows, before, trouble)
        yield* end
        const ended = performance.now()
        yield* answered(200)
        assert.isBelow(performance.now() - ended, 5_000, trouble)
      }
    }).pipe(Effect.scoped),
  60_000
)

it.live(
  "a database that stops answering: 503 within seconds whenever it was asked, and what it took all the same is done once",
  () =>
    Effect.gen(function* () {
      const { openAdmin, pg, send } = yield* makeWorld
      const admin = yield* openAdmin()
      yield* until(async () => (await send()).status === 200)
      const sessions = yield* Effect.promise(
        () =>
          admin<
            Array<{ pid: number }>
          >`SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'oncegate%'`
      )
      const answers = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* pg.freeze(sessions.map(({ pid }) => pid))
          // From the statements in flight to those that find no connection at all.
          const sent = Array.from({ length: 20 }, async (_, index) => {
            await new Promise((resolve) => setTimeout(resolve, index * 150))
            const begun = performance.now()
            const answer = await send()
            return { ...answer, ms: answer.at - begun }
          })
          return yield* Effect.promise(() => Promise.all(sent))
        })
      )
      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [503])
      assert.notInclude(
        answers.map(({ retryAfter }) => retryAfter),
        null
      )
      // Twice 2.5 s; the rest is for a machine that is busy.
      assert.isBelow(Math.max(...answers.map(({ ms }) => ms)), 6_000)
      const thawed = performance.now()
      yield* until(async () => (await send()).status === 200)
      assert.isBelow(performance.now() - thawed, 5_000)
      // The provider comes again, to those that were claimed without our knowing too.
      for (const { event } of answers) yield* until(async () => (await send(event)).status === 200)
      const keys = answers.map(({ key }) => key)
      yield* until(async () => {
        const [row] = await admin<Array<{ done: number; facts: number }>>`
          SELECT (SELECT count(*)::int FROM webhook_dedup_events WHERE status = 'done' AND dedup_key IN ${admin(keys)}) AS done,
                 (SELECT count(*)::int FROM webhook_event_log
                   WHERE type = 'BillingEventRecorded' AND dedup_key IN ${admin(keys)}) AS facts`
        return row!.done === keys.length && row!.facts === keys.length
      })
    }).pipe(Effect.scoped),
  120_000
)
