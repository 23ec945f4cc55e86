import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { scratchFolder } from "../infra/simulator/scratchFolder.ts"
import { environmentOf, migratedSchema, startProviders } from "../support/Gate.ts"
import { claimed, delivery, fact, openStore, proving } from "../support/Store.ts"
import { devFolder } from "./devFolder.ts"
import { runCommand } from "./runCommand.ts"

const SENTINEL = "SENTINEL_4111111111111111"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

layer(Schema.layer, { excludeTestServices: true, timeout: "3 minutes" })("oncegate events", (it) => {
  const setup = Effect.gen(function* () {
    const { sql, url } = yield* Schema
    const folder = yield* devFolder(url)
    const store = yield* openStore(url)
    const run = (...args: ReadonlyArray<string>) => runCommand("events", ...args, "--data-dir", folder)
    return { sql, url, store, run }
  })
  const park = Effect.fnUntraced(function* ({ store }: Effect.Success<typeof setup>, key: string) {
    yield* store.fail(yield* claimed(store, delivery(key, `${SENTINEL} ${key}`)), {
      kind: "permanent",
      code: "uninterpretable",
      delayMs: 0
    })
  })

  it.effect("list: a table for people, JSON for scripts, pages by cursor, never a body", () =>
    Effect.gen(function* () {
      const house = yield* setup
      yield* Effect.forEach(["ev_list_1", "ev_list_2", "ev_list_3"], (key) => park(house, key))
      const table = yield* house.run("list", "--state", "parked", "--limit", "2")
      assert.strictEqual(table.exitCode, 0, table.error)
      assert.match(
        table.out,
        /^first seen \(UTC\) +endpoint +state +code +attempts +next attempt +type +key$/m
      )
      assert.match(
        table.out,
        / paypal +parked +uninterpretable +0 +- +PAYMENT.CAPTURE.COMPLETED +ev_list_3$/m
      )
      const cursor = /--cursor (\S+)$/.exec(table.out)![1]!
      const next = yield* house.run("list", "--state", "parked", "--limit", "2", "--cursor", cursor, "--json")
      const page = JSON.parse(next.out)
      assert.deepStrictEqual(
        page.events.map((event: { dedup_key: string }) => event.dedup_key),
        ["ev_list_1"]
      )
      assert.isNull(page.cursor)
      assert.strictEqual((yield* house.run("list", "--state", "conflict")).out, "no events")
      const wrong = yield* house.run("list", "--cursor", "zzz")
      assert.deepStrictEqual([wrong.exitCode, wrong.error], [1, "the cursor is none of this gate's"])
      assert.strictEqual((yield* house.run("list", "--limit", "501")).exitCode, 1)
      assert.notInclude(JSON.stringify([table, next]), SENTINEL)
    })
  )

  it.effect("show: state, facts, log and what to do next, never a body", () =>
    Effect.gen(function* () {
      const house = yield* setup
      yield* park(house, "ev_shown:it's")
      const shown = yield* house.run("show", "paypal", "ev_shown:it's")
      assert.match(shown.out, /^state +parked \(uninterpretable\)$/m)
      assert.match(shown.out, /^body +in custody, sha256 [0-9a-f]{64}$/m)
      assert.match(shown.out, /^ *\d+ +\S+ +2 +Parked +code=uninterpretable$/m)
      assert.include(shown.out, String.raw`oncegate events redrive paypal 'ev_shown:it'\''s' --reason`)
      const json = yield* house.run("show", "paypal", "ev_shown:it's", "--json")
      assert.deepInclude(JSON.parse(json.out), { state: "parked", facts: [] })
      assert.notInclude(JSON.stringify([shown, json]), SENTINEL)
      const none = yield* house.run("show", "paypal", "ev_none")
      assert.deepStrictEqual([none.exitCode, none.error], [1, "there is no event ev_none at endpoint paypal"])
    })
  )

  describe("redrive", () => {
    it.effect("one event: by whom and why stand in the log; without a reason nothing happens", () =>
      Effect.gen(function* () {
        const house = yield* setup
        yield* park(house, "ev_one")
        const silent = yield* house.run("redrive", "paypal", "ev_one")
        assert.strictEqual(silent.exitCode, 1)
        assert.include(silent.error, "--reason is required")
        const dry = yield* house.run("redrive", "paypal", "ev_one", "--dry-run", "--reason", "x")
        assert.include(dry.out, "would be re-driven")
        const done = yield* house.run("redrive", "paypal", "ev_one", "--reason", "mended", "--by", "ann")
        assert.strictEqual(done.exitCode, 0, done.error)
        assert.strictEqual(done.out, "re-driven: ev_one is due now, by ann")
        const log = yield* Effect.promise(
          () => house.sql`SELECT data->>'by' AS by, data->>'reason' AS reason FROM webhook_event_log
                           WHERE dedup_key = 'ev_one' AND type = 'Redriven'`
        )
        assert.deepStrictEqual(
          log.map((row) => ({ ...row })),
          [{ by: "ann", reason: "mended" }]
        )
      })
    )

    it.effect("a done event and one in work are refused with exit code 1", () =>
      Effect.gen(function* () {
        const house = yield* setup
        yield* house.store.complete(yield* claimed(house.store, delivery("ev_final")), proving())
        yield* claimed(house.store, delivery("ev_working"))
        const done = yield* house.run("redrive", "paypal", "ev_final", "--reason", "x")
        assert.deepStrictEqual([done.exitCode, done.error], [1, "a done event is final: redrive is refused"])
        const busy = yield* house.run("dismiss", "paypal", "ev_working", "--reason", "x")
        assert.strictEqual(busy.exitCode, 1)
        assert.include(busy.error, "being processed")
      })
    )

    it.effect("1,000 by one command, after a dry run", () =>
      Effect.gen(function* () {
        const house = yield* setup
        yield* Effect.promise(
          () => house.sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status, next_attempt_at, error_code, version)
                          SELECT 'toss', 'pkey_' || n, 'failed', 'infinity', 'no_custody', 1 FROM generate_series(1, 1000) n`
        )
        const args = ["redrive", "--state", "parked", "--endpoint", "toss", "--since", "2020-01-01"]
        const dry = yield* house.run(...args, "--dry-run")
        assert.match(dry.out, /^toss +parked +no_custody +1000$/m)
        assert.include(dry.out, "nothing was changed")
        const real = yield* house.run(...args, "--reason", "mended", "--json", "--by", "ann")
        assert.deepStrictEqual(JSON.parse(real.out), {
          dry_run: false,
          matched: 1_000,
          redriven: 1_000,
          skipped: 0
        })
        const [log] = yield* Effect.promise(
          () =>
            house.sql`SELECT count(*)::int FROM webhook_event_log WHERE provider = 'toss' AND type = 'Redriven' AND data->>'by' = 'ann'`
        )
        assert.strictEqual(log!.count, 1_000)
        const vague = yield* house.run("redrive", "--reason", "x")
        assert.include(vague.error, "say which")
      })
    )
  })

  it.effect("dismiss: done, and nothing booked; the user of the system acts unless named", () =>
    Effect.gen(function* () {
      const house = yield* setup
      yield* park(house, "ev_away")
      const away = yield* house.run("dismiss", "paypal", "ev_away", "--reason", "forged", "--json")
      assert.deepStrictEqual(JSON.parse(away.out), { dismissed: 1, endpoint: "paypal", dedupKey: "ev_away" })
      const [row] = yield* Effect.promise(
        () => house.sql`SELECT e.status, l.data->>'by' AS by FROM webhook_dedup_events e JOIN webhook_event_log l USING (dedup_key)
                         WHERE dedup_key = 'ev_away' AND l.type = 'Dismissed'`
      )
      assert.strictEqual(row!.status, "done")
      assert.isNotEmpty(row!.by)
    })
  )

  it.effect(
    "reinterpret: with the settings that a running service left, books what a mapping says today",
    () =>
      Effect.gen(function* () {
        const { sql, url } = yield* Schema
        const providers = yield* startProviders
        const { ADMIN_PORT: _, DATABASE_URL: __, MASTER_KEYS: ___, ...rest } = environmentOf(providers, url)
        const environment = {
          ...rest,
          // the key of `openStore`
          MASTER_KEYS: `test:${Buffer.from(Uint8Array.from({ length: 32 }, (_, at) => at)).toString("base64")}`
        }
        const folder = yield* devFolder(url, environment)
        const run = (...args: ReadonlyArray<string>) =>
          runCommand(
            ...["events", "reinterpret", "--data-dir", folder, "--endpoint", "paypal"],
            ...["--type", "PAYMENT.CAPTURE.COMPLETED", "--since", "2020-01-01", ...args]
          )
        const store = yield* openStore(url, {
          masterKey: Uint8Array.from({ length: 32 }, (_, at) => at)
        })
        const { body, dedupKey, facts } = providers.capture()
        const request = delivery(dedupKey, Buffer.from(body).toString("utf8"))
        yield* store.complete(yield* claimed(store, request), { ...proving(), note: "unmapped" })
        // an older fact stays what it is
        yield* store.complete(yield* claimed(store, delivery("ev_booked")), proving(fact("order:1")))

        assert.include((yield* run()).error, "--reason is required")
        const dry = yield* run("--dry-run", "--json")
        assert.deepInclude(JSON.parse(dry.out), { dry_run: true, booked: 1 })
        const real = yield* run("--reason", "mapping added", "--by", "ann", "--json")
        assert.deepInclude(JSON.parse(real.out), { dry_run: false, booked: 1 })
        const log = yield* Effect.promise(
          () => sql<Array<{ type: string; by: string | null }>>`
          SELECT type, data->>'by' AS by FROM webhook_event_log WHERE dedup_key = ${dedupKey} ORDER BY position`
        )
        assert.deepStrictEqual(
          log.map(({ by, type }) => [type, by]),
          [
            ["Claimed", null],
            ["Completed", null],
            ["BillingEventRecorded", null],
            ["Reinterpreted", "ann"]
          ]
        )
        assert.strictEqual(facts.length, 1)
        assert.deepInclude(JSON.parse((yield* run("--reason", "again", "--json")).out), { booked: 0 })
      })
  )

  it.effect("says what is missing where there is no database to look into", () =>
    Effect.gen(function* () {
      const folder = yield* scratchFolder
      const none = yield* runCommand("events", "list", "--data-dir", join(folder, "nowhere"))
      assert.strictEqual(none.exitCode, 1)
      assert.match(none.error, /^no database to look into: set DATABASE_URL, or run `npm start`/)
      const stopped = yield* devFolder("postgres://u:secret_password@127.0.0.1:1/x")
      const away = yield* runCommand("events", "list", "--data-dir", stopped)
      assert.strictEqual(away.exitCode, 1)
      assert.include(away.error, "is it running?")
      assert.notInclude(JSON.stringify(away), "secret_password")
    })
  )
})
