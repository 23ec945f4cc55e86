import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { age, statusText } from "../../src/cli/statusText.ts"
import { migratedSchema } from "../support/Gate.ts"
import { claimed, delivery, openStore } from "../support/Store.ts"
import { devFolder } from "./devFolder.ts"
import { runCommand } from "./runCommand.ts"

class Schema extends Context.Service<Schema, Effect.Success<typeof migratedSchema>>()("test/Schema") {
  static readonly layer = Layer.effect(Schema, migratedSchema)
}

layer(Schema.layer, { excludeTestServices: true, timeout: "3 minutes" })("oncegate status", (it) => {
  it.effect("counts what waits, by endpoint, and says what wants a person", () =>
    Effect.gen(function* () {
      const { sql, url } = yield* Schema
      const folder = yield* devFolder(url)
      const run = (...args: ReadonlyArray<string>) => runCommand("status", "--data-dir", folder, ...args)
      assert.include((yield* run()).out, "no endpoint has started yet")

      yield* Effect.promise(
        () => sql`INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key)
                  VALUES ('paypal', 'paypal', 'simulated', '\\x00'), ('toss', 'toss', 'simulated', '\\x00')`
      )
      const store = yield* openStore(url)
      const fail = Effect.fnUntraced(function* (key: string, failure: Parameters<typeof store.fail>[1]) {
        yield* store.fail(yield* claimed(store, delivery(key)), failure)
      })
      yield* claimed(store, delivery("ev_busy"))
      yield* fail("ev_parked", { kind: "permanent", code: "uninterpretable", delayMs: 0 })
      yield* fail("ev_waits", { kind: "world", code: "provider_unavailable", delayMs: 60_000 })
      yield* fail("ev_unknown", { kind: "world", code: "unconfirmed", delayMs: 60_000 })

      const { exitCode, out } = yield* run()
      assert.strictEqual(exitCode, 0)
      assert.match(
        out,
        /^endpoint +in flight +retrying +unconfirmed +parked +conflict +quarantined +oldest open/m
      )
      assert.match(out, /^paypal +1 +1 +1 +1 +0 +0 +\d+s +0 +\d+$/m)
      assert.match(out, /^toss +0 +0 +0 +0 +0 +0 +- +0 +0$/m)
      assert.match(out, /^relay: absent; \d+ rows of the log are not in Kafka yet, the oldest for \d+s$/m)
      assert.include(out, "1 events wait for a person: oncegate events list --state parked")

      const status = JSON.parse((yield* run("--json")).out)
      assert.deepInclude(status.endpoints[0], {
        endpoint: "paypal",
        processing: 1,
        retry_scheduled: 1,
        unconfirmed: 1,
        parked: 1,
        oldest_open_key: "ev_busy"
      })
    })
  )

  it("ages are short, and a relay in trouble says why", () => {
    assert.deepStrictEqual([null, 0.4, 59, 95, 7_260, 200_000].map(age), [
      "-",
      "0s",
      "59s",
      "1m 35s",
      "2h 1m",
      "2d 7h"
    ])
    const text = statusText({
      at: "",
      endpoints: [],
      relay: {
        state: "refused",
        reason: { code: "relay_checkpoint_refused", explanation: "another cluster" },
        position: 1,
        confirmed_at: null,
        unpublished: 100_000,
        unpublished_exact: false,
        oldest_unpublished_seconds: 61
      }
    })
    assert.include(text, "relay: refused; at most 100000 rows")
    assert.include(text, "  relay_checkpoint_refused: another cluster")
  })
})
