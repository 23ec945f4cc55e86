import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readJson, schemas } from "../contracts/validators.ts"
import { post, startGate, until } from "../support/Gate.ts"
import { House, house } from "../support/House.ts"

const TOKEN = "an admin token of thirty-two characters"
const KEY = "ev_~odd:key/with?all#of%it"

interface Answered {
  readonly status: number
  readonly type: string
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  readonly body: any
}

layer(house({ roles: ["ingress", "rescuer", "admin"] }), { excludeTestServices: true, timeout: "3 minutes" })(
  "the admin listener",
  (it) => {
    const ask = (path: string, init: RequestInit & { readonly token?: string | null } = {}) =>
      Effect.flatMap(House, ({ gate }) =>
        Effect.promise(async (): Promise<Answered> => {
          const { token = TOKEN, ...rest } = init
          const response = await fetch(`${gate.adminUrl}${path}`, {
            ...rest,
            headers: {
              "content-type": "application/json",
              ...(token === null ? {} : { authorization: `Bearer ${token}` })
            }
          })
          const text = await response.text()
          const type = response.headers.get("content-type") ?? ""
          return {
            status: response.status,
            type,
            text,
            body: /json/.test(type) ? JSON.parse(text) : undefined
          }
        })
      )
    const send = (path: string, body: unknown) => ask(path, { method: "POST", body: JSON.stringify(body) })
    const isProblem = (answered: Answered, status: number, type: string) => {
      assert.deepStrictEqual([answered.status, answered.type], [status, "application/problem+json"])
      assert.deepInclude(answered.body, { status, type })
      assert.isString(answered.body.title)
    }

    /** A parked event whose body is a real capture: it can be processed once its cause is mended. */
    const parked = Effect.gen(function* () {
      const { gate, providers } = yield* House
      const event = providers.capture(2)
      yield* post(`${gate.url}/webhooks/paypal`, event.copies[0]!, event.body)
      return event
    })

    describe("the token", () => {
      it.effect("no route answers without it, or with another one", () =>
        Effect.gen(function* () {
          for (const path of [
            "/metrics",
            "/openapi.json",
            "/asyncapi.json",
            "/schemas/billing.payment.captured.v1",
            "/v1/status",
            "/v1/events",
            "/v1/events/paypal/ev_1",
            "/nothing",
            "/"
          ])
            for (const token of [null, "", "wrong", `${TOKEN}x`, TOKEN.slice(1)])
              isProblem(yield* ask(path, { token }), 401, "urn:oncegate:problem:unauthorized")
          for (const path of [
            "/v1/redrives",
            "/v1/events/paypal/ev_1/redrive",
            "/v1/events/paypal/ev_1/dismiss"
          ])
            isProblem(
              yield* ask(path, { method: "POST", body: "{}", token: "wrong" }),
              401,
              "urn:oncegate:problem:unauthorized"
            )
          isProblem(yield* ask("/nothing"), 404, "urn:oncegate:problem:not-found")
        })
      )
    })

    describe("acts", () => {
      it.effect(
        "a parked event whose cause is mended is done after a re-drive; the log says who and why",
        () =>
          Effect.gen(function* () {
            const { gate } = yield* House
            const { sql } = gate
            const { body, copies, dedupKey, facts } = yield* Effect.gen(function* () {
              const { providers } = yield* House
              return providers.capture()
            })
            // The fact is booked with another amount: what comes is parked until somebody mends that.
            const effect = facts[0]!.effect_key
            yield* Effect.promise(
              () =>
                sql`INSERT INTO billing_effects (provider, effect_key, dedup_key, digest) VALUES ('paypal', ${effect}, 'x', 'y')`
            )
            const answer = yield* post(`${gate.url}/webhooks/paypal`, copies[0]!, body)
            assert.strictEqual(answer.body.status, "parked")
            const shown = yield* ask(`/v1/events/paypal/${encodeURIComponent(dedupKey)}`)
            assert.deepInclude(shown.body, {
              state: "parked",
              error_code: "effect_conflict",
              body: "in custody"
            })
            assert.include((yield* ask("/v1/events?state=parked&endpoint=paypal")).text, dedupKey)

            yield* Effect.promise(() => sql`DELETE FROM billing_effects WHERE effect_key = ${effect}`)
            const redriven = yield* send(`/v1/events/paypal/${encodeURIComponent(dedupKey)}/redrive`, {
              reason: "the amount was mended",
              by: "ann"
            })
            assert.deepStrictEqual(
              [redriven.status, redriven.body],
              [200, { endpoint: "paypal", dedup_key: dedupKey, status: "redriven" }]
            )
            const done = yield* until(async () => {
              const [row] = await sql`SELECT status FROM webhook_dedup_events WHERE dedup_key = ${dedupKey}`
              return row?.status === "done" && row
            })
            assert.isOk(done)
            const after = yield* ask(`/v1/events/paypal/${encodeURIComponent(dedupKey)}`)
            assert.strictEqual(after.body.state, "done")
            assert.strictEqual(after.body.facts.length, 1)
            const log = after.body.log.map(({ type }: { type: string }) => type)
            assert.deepStrictEqual(log.slice(-4), [
              "Redriven",
              "Reclaimed",
              "BillingEventRecorded",
              "Completed"
            ])
            assert.deepInclude(
              after.body.log.find(({ type }: { type: string }) => type === "Redriven").data,
              {
                by: "ann",
                reason: "the amount was mended"
              }
            )
            isProblem(
              yield* send(`/v1/events/paypal/${encodeURIComponent(dedupKey)}/redrive`, { reason: "again" }),
              409,
              "urn:oncegate:problem:refused"
            )
          })
      )

      it.effect("keys with every sign there is; dismiss; a reason is required and bounded", () =>
        Effect.gen(function* () {
          const { gate } = yield* House
          yield* Effect.promise(
            () => gate.sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status, next_attempt_at, error_code)
                         VALUES ('paypal', ${KEY}, 'failed', 'infinity', 'uninterpretable')`
          )
          const path = `/v1/events/paypal/${encodeURIComponent(KEY)}`
          assert.strictEqual((yield* ask(path)).body.dedup_key, KEY)
          for (const body of [
            {},
            { reason: "" },
            { reason: "  " },
            { reason: "a\nb" },
            { reason: "x".repeat(501) },
            7
          ])
            isProblem(yield* send(`${path}/dismiss`, body), 400, "about:blank")
          assert.strictEqual((yield* ask(path)).body.state, "parked")
          const dismissed = yield* send(`${path}/dismiss`, { reason: "not ours" })
          assert.deepStrictEqual([dismissed.status, dismissed.body.status], [200, "dismissed"])
          const shown = (yield* ask(path)).body
          assert.deepInclude(shown, { state: "done", error_code: "dismissed" })
          assert.deepInclude(shown.log.at(-1).data, { by: "admin", reason: "not ours" })
          isProblem(
            yield* send("/v1/events/paypal/ev_nobody/dismiss", { reason: "x" }),
            404,
            "urn:oncegate:problem:unknown-event"
          )
        })
      )

      it.effect("in bulk, after a dry run that changes nothing", () =>
        Effect.gen(function* () {
          const { gate } = yield* House
          yield* Effect.promise(
            () => gate.sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status, next_attempt_at, error_code, version)
                         SELECT 'paypal', 'ev_many_' || n, 'failed', 'infinity', 'master_key_missing', 1
                           FROM generate_series(1, 1000) n`
          )
          const request = {
            filter: { state: "parked", error_code: "master_key_missing" },
            reason: "the key is back",
            by: "ann"
          }
          const found = [
            { endpoint: "paypal", state: "parked", error_code: "master_key_missing", count: 1_000 }
          ]
          const dry = yield* send("/v1/redrives", { ...request, dry_run: true })
          assert.deepStrictEqual(dry.body, {
            dry_run: true,
            matched: found,
            redriven: 0,
            skipped: 0,
            cursor: null
          })
          const still = yield* send("/v1/redrives", { ...request, dry_run: true })
          assert.deepStrictEqual(still.body.matched, found)
          // Spelled wrong, and it would have been no dry run, or one of all endpoints.
          for (const wrong of [
            { ...request, dryrun: true },
            { ...request, filter: { ...request.filter, endpont: "toss" } }
          ])
            isProblem(yield* send("/v1/redrives", wrong), 400, "about:blank")
          const run = yield* send("/v1/redrives", request)
          assert.deepInclude(run.body, { dry_run: false, redriven: 1_000, skipped: 0, cursor: null })
          isProblem(
            yield* send("/v1/redrives", { ...request, reason: "x".repeat(70_000) }),
            413,
            "about:blank"
          )
          isProblem(yield* ask("/v1/redrives", { method: "POST", body: "{" }), 400, "about:blank")
          isProblem(yield* send("/v1/redrives", { ...request, filter: {} }), 400, "about:blank")
          const withNul = Buffer.from('["paypal","\\u0000"]').toString("base64url")
          for (const cursor of ["x", withNul])
            isProblem(
              yield* send("/v1/redrives", { ...request, cursor }),
              400,
              "urn:oncegate:problem:bad-cursor"
            )
        })
      )
    })

    describe("reading", () => {
      it.effect("lists by pages, and refuses what it does not know", () =>
        Effect.gen(function* () {
          yield* parked
          yield* parked
          const first = yield* ask("/v1/events?limit=1")
          assert.strictEqual(first.body.events.length, 1)
          const second = yield* ask(`/v1/events?limit=1&cursor=${first.body.cursor}`)
          assert.notStrictEqual(second.body.events[0].dedup_key, first.body.events[0].dedup_key)
          for (const query of [
            "limit=0",
            "limit=501",
            "limit=x",
            "state=odd",
            "endpont=toss",
            "endpoint=%00",
            "error_code=a%00b",
            "since=yesterday",
            "since=0000-01-01T00:00:00Z",
            "since=%2B275760-09-13T00:00:00.000Z"
          ])
            isProblem(yield* ask(`/v1/events?${query}`), 400, "about:blank")
          const before = Buffer.from('["-999999999999999999","1"]').toString("base64url")
          isProblem(yield* ask(`/v1/events?cursor=${before}`), 400, "urn:oncegate:problem:bad-cursor")
          assert.include([400, 404], (yield* ask("/v1/events/paypal/%00")).status)
          assert.strictEqual((yield* ask("/v1/events?since=2999-01-01T00:00:00Z")).body.events.length, 0)
        })
      )

      it.effect("no answer holds a body, a secret or the token", () =>
        Effect.gen(function* () {
          const { gate, providers } = yield* House
          const { body, dedupKey } = yield* parked
          const answers = yield* Effect.forEach(
            [
              "/v1/events?limit=500",
              `/v1/events/paypal/${encodeURIComponent(dedupKey)}`,
              "/v1/status",
              "/metrics",
              "/openapi.json"
            ],
            (path) => ask(path)
          )
          const text = answers.map((answer) => answer.text).join("\n") + gate.logs.join("\n")
          const { resource } = JSON.parse(Buffer.from(body).toString("utf8"))
          assert.isAbove(String(resource.create_time).length, 5)
          for (const secret of [
            TOKEN,
            providers.simulator.tossSecretKey,
            ...providers.simulator.securityKeys,
            Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64"),
            "links",
            '"resource"'
          ])
            assert.notInclude(text, secret)
        })
      )

      it.effect("status by endpoint, and metrics with gauges and counters", () =>
        Effect.gen(function* () {
          const house = yield* House
          yield* parked
          yield* Effect.promise(
            () => house.gate
              .sql`INSERT INTO webhook_dedup_events (provider, dedup_key, status, next_attempt_at, error_code)
                         VALUES ('toss', 'pkey_gauge', 'failed', 'infinity', 'payload_mismatch')`
          )
          // the last scrape may be a second old
          const metrics = yield* until(async () => {
            const answer = await Effect.runPromise(Effect.provideService(ask("/metrics"), House, house))
            return /oncegate_events\{endpoint="toss",state="conflict"\} 1/.test(answer.text) && answer
          })
          assert.match(metrics.type, /^text\/plain; version=0\.0\.4/)
          assert.match(metrics.text, /^oncegate_oldest_open_seconds\{endpoint="toss"\} [0-9.]+$/m)
          assert.match(metrics.text, /^oncegate_webhooks_total\{.*endpoint="paypal".*\} [1-9]/m)
          assert.match(metrics.text, /^oncegate_store_up 1$/m)
          assert.match(metrics.text, /^oncegate_log_unpublished_seconds [0-9.]+$/m)
          for (const name of ["group_rows", "group_wait_seconds", "statement_seconds"])
            assert.match(
              metrics.text,
              new RegExp(`^oncegate_${name}_count\\{.*statement="claim".*\\} [1-9]`, "m")
            )
          const status = (yield* ask("/v1/status")).body
          assert.deepStrictEqual(
            status.endpoints.map(({ endpoint }: { endpoint: string }) => endpoint),
            ["paypal", "toss"]
          )
          assert.strictEqual(status.endpoints[1].conflict, 1)
          assert.isAbove(status.relay.unpublished, 0)
        })
      )

      it.effect("the contract of the topics, as it is committed", () =>
        Effect.gen(function* () {
          const { body, status, type } = yield* ask("/asyncapi.json")
          assert.deepStrictEqual([status, type], [200, "application/json"])
          assert.deepStrictEqual(body, readJson("asyncapi.json"))
          for (const [name, schema] of schemas)
            for (const asked of [name, schema.$id]) {
              const answered = yield* ask(`/schemas/${asked}`)
              assert.deepStrictEqual([answered.status, answered.type], [200, "application/schema+json"])
              assert.deepStrictEqual(JSON.parse(answered.text), schema)
            }
          for (const nothing of ["billing.payment.captured.v2", "..%2Fasyncapi", "urn:oncegate:schema:"])
            isProblem(yield* ask(`/schemas/${nothing}`), 404, "urn:oncegate:problem:not-found")
        })
      )

      it.effect("OpenAPI 3.1 of every route, each behind the token and with its problems", () =>
        Effect.gen(function* () {
          const { body, status } = yield* ask("/openapi.json")
          assert.strictEqual(status, 200)
          assert.match(body.openapi, /^3\.1\./)
          assert.sameMembers(Object.keys(body.paths), [
            "/metrics",
            "/openapi.json",
            "/asyncapi.json",
            "/schemas/{type}",
            "/v1/status",
            "/v1/events",
            "/v1/events/{endpoint}/{dedup_key}",
            "/v1/events/{endpoint}/{dedup_key}/redrive",
            "/v1/events/{endpoint}/{dedup_key}/dismiss",
            "/v1/redrives"
          ])
          const operations = Object.values(body.paths).flatMap((path) =>
            // biome-ignore lint/suspicious/noExplicitAny: a foreign shape
            Object.values(path as Record<string, any>)
          )
          const ids = operations.map(({ operationId }) => operationId)
          assert.strictEqual(new Set(ids).size, ids.length)
          for (const operation of operations) {
            assert.deepStrictEqual(operation.security, [{ bearer: [] }])
            assert.isOk(operation.responses["200"] ?? operation.responses["404"])
            assert.isOk(operation.responses["401"].content["application/problem+json"])
          }
          assert.deepInclude(body.components.securitySchemes.bearer, { type: "http", scheme: "Bearer" })
          const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)]
          for (const [, name] of references) assert.property(body.components.schemas, name!)
          // the bounds that the server keeps are told
          assert.include(JSON.stringify(body), "1,500")
        })
      )
    })

    it.effect("a taken port is one clear line that names the variable", () =>
      Effect.gen(function* () {
        const { providers } = yield* House
        const taken = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const { port } = taken.address() as AddressInfo
        const failure = yield* startGate(providers, {
          roles: ["admin"],
          environment: { ADMIN_PORT: String(port) }
        }).pipe(Effect.flip)
        assert.match(
          String(failure.message),
          new RegExp(`^port ${port} on 127.0.0.1 is taken: .*ADMIN_PORT \\(0 = any free port\\)$`)
        )
      })
    )
  }
)
