import { subscribe, unsubscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Database from "../../../src/infra/postgres/Database.ts"
import * as Wire from "../../../src/infra/postgres/Wire.ts"
import { until } from "../../support/Gate.ts"
import { type ScriptedOptions, type Step, startScriptedPostgres } from "../../support/ScriptedPostgres.ts"
import { makeTestCa } from "../../support/TestCa.ts"

const LIMIT_MS = 1_200

const connect = (hosts: string, query = "") =>
  Effect.map(
    Database.make({
      url: Redacted.make(`postgres://gate:secret@${hosts}/oncegate${query}`),
      claimConnections: 1,
      completionConnections: 1,
      statementTimeoutMs: LIMIT_MS - 1_000
    }),
    ({ claims, session }) => ({
      session,
      send: Effect.match(claims.script("statement", "SELECT"), {
        onFailure: ({ code, fate }) => `${fate} ${code}`,
        onSuccess: () => "answered"
      })
    })
  )

const steps = (...script: Array<Step>) => {
  const left = [...script]
  return { onStatement: () => left.shift() ?? "answer" } satisfies ScriptedOptions
}

/** What a server of this name needs for TLS. */
const certified = (name: string) => {
  const { pem, privateKey } = makeTestCa().issue({
    name,
    notBefore: new Date("2020-01-01T00:00:00Z"),
    notAfter: new Date("2045-01-01T00:00:00Z")
  })
  return { cert: pem, key: privateKey.export({ type: "pkcs8", format: "pem" }) }
}

const timed = <A, E>(self: Effect.Effect<A, E>) =>
  Effect.suspend(() => {
    const begun = performance.now()
    return Effect.map(self, (value) => [value, performance.now() - begun] as const)
  })

describe("a connection that is lost", () => {
  for (const [step, said] of [
    ["reset", "ambiguous ECONNRESET"],
    ["close", "ambiguous CONNECTION_CLOSED"]
  ] as const)
    it.live(`by a ${step} fails its statement at once, and the next one goes to a new connection`, () =>
      Effect.gen(function* () {
        const script = Array.from({ length: 20 }, () => ["answer", step] as const).flat()
        const server = yield* startScriptedPostgres(steps(...script))
        const { send } = yield* connect(`127.0.0.1:${server.port}`)
        for (let round = 0; round < 20; round += 1) {
          assert.strictEqual(yield* send, "answered")
          const [failed, failedMs] = yield* timed(send)
          assert.strictEqual(failed, said)
          assert.isBelow(failedMs, LIMIT_MS / 2)
        }
        const [answer, backMs] = yield* timed(send)
        assert.strictEqual(answer, "answered")
        assert.isBelow(backMs, LIMIT_MS / 2)
        assert.strictEqual(server.accepted(), 21)
        yield* until(async () => server.open() === 1)
      }).pipe(Effect.scoped)
    )

  it.live("by silence is given up at the limit, and its socket ended; the next statement is answered", () =>
    Effect.gen(function* () {
      const server = yield* startScriptedPostgres(steps("answer", "say nothing"))
      const { send } = yield* connect(`127.0.0.1:${server.port}`)
      assert.strictEqual(yield* send, "answered")
      assert.strictEqual(yield* send, "ambiguous CLIENT_TIMEOUT")
      yield* until(async () => server.open() === 0)
      assert.strictEqual(yield* send, "answered")
    }).pipe(Effect.scoped)
  )

  it.live("with the server fails the statement, and lets the process live", () =>
    Effect.gen(function* () {
      const unhandled: Array<unknown> = []
      const note = (error: unknown) => unhandled.push(error)
      process.on("unhandledRejection", note)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("unhandledRejection", note)))
      const server = yield* startScriptedPostgres({
        onStatement: () => {
          server.close()
          return "close"
        }
      })
      const { send } = yield* connect(`127.0.0.1:${server.port}`)
      assert.notStrictEqual(yield* send, "answered")
      assert.strictEqual(yield* send, "unavailable ECONNREFUSED")
      assert.deepStrictEqual(unhandled, [])
    }).pipe(Effect.scoped)
  )

  it.live("stays lost in a session: what it held is gone, and no statement may think otherwise", () =>
    Effect.gen(function* () {
      const server = yield* startScriptedPostgres(steps("answer", "reset"))
      const { session } = yield* connect(`127.0.0.1:${server.port}`)
      const own = yield* session("own")
      const codes = []
      for (let statement = 0; statement < 4; statement += 1)
        codes.push(
          yield* Effect.match(own.script("own", "SELECT"), {
            onFailure: ({ code }) => code,
            onSuccess: () => "answered"
          })
        )
      assert.deepStrictEqual(codes, ["answered", "ECONNRESET", "CONNECTION_LOST", "CONNECTION_LOST"])
      assert.strictEqual(server.accepted(), 1)
    }).pipe(Effect.scoped)
  )
})

it.live("a server that hangs up at once is not stormed", () =>
  Effect.gen(function* () {
    const server = yield* startScriptedPostgres({ onStatement: () => "answer", slamsDoor: true })
    const { send } = yield* connect(`127.0.0.1:${server.port}`)
    const [codes, tookMs] = yield* timed(Effect.forEach(Array.from({ length: 6 }), () => send))
    assert.deepStrictEqual(new Set(codes), new Set(["unavailable CONNECTION_LOST"]))
    assert.strictEqual(server.accepted(), 6)
    assert.isAbove(tookMs, 20 + 40 + 80 + 160 + 320)
  }).pipe(Effect.scoped)
)

it.live("of a list of hosts the next one is tried after one that does not answer", () =>
  Effect.gen(function* () {
    const gone = yield* Effect.scoped(startScriptedPostgres(steps()))
    const server = yield* startScriptedPostgres(steps())
    const { send } = yield* connect(`127.0.0.1:${gone.port},127.0.0.1:${server.port}`)
    assert.strictEqual(yield* send, "unavailable ECONNREFUSED")
    assert.strictEqual(yield* send, "answered")
    assert.strictEqual(yield* send, "answered")
  }).pipe(Effect.scoped)
)

it.live("over TLS the server is asked by its name, and a lost connection is replaced", () =>
  Effect.gen(function* () {
    const tls = certified("localhost")
    const server = yield* startScriptedPostgres({ ...steps("answer", "reset", "answer", "say nothing"), tls })
    const { send } = yield* connect(`localhost:${server.port}`, "?sslmode=require")
    assert.strictEqual(yield* send, "answered")
    assert.match(yield* send, /^ambiguous (ECONNRESET|CONNECTION_CLOSED)$/)
    assert.strictEqual(yield* send, "answered")
    assert.strictEqual(yield* send, "ambiguous CLIENT_TIMEOUT")
    yield* until(async () => server.open() === 0)
    assert.strictEqual(yield* send, "answered")
    assert.deepStrictEqual(server.names, ["localhost", "localhost", "localhost"])
  }).pipe(Effect.scoped)
)

it.live("a connection that is reset at rest takes no statement, over TLS as without", () =>
  Effect.gen(function* () {
    const tls = certified("localhost")
    const sockets: Array<Socket> = []
    const note = (message: unknown) => void sockets.push((message as { readonly socket: Socket }).socket)
    subscribe("net.client.socket", note)
    yield* Effect.addFinalizer(() => Effect.sync(() => void unsubscribe("net.client.socket", note)))
    for (const query of ["", "?sslmode=require"]) {
      const server = yield* startScriptedPostgres({ ...steps(), tls })
      const wire = Wire.open(
        `postgres://gate:secret@127.0.0.1:${server.port}/oncegate`,
        { ssl: query === "" ? false : { rejectUnauthorized: false }, onnotice: () => {} },
        Wire.newPace()
      )
      yield* Effect.promise(() => wire.sql.unsafe("SELECT").simple())
      // Between the error and the end of its socket the driver would take a statement, and forget it.
      const isWholeOnce = new Promise<boolean>((resolve) => {
        const look = () => (sockets.at(-1)!.destroyed ? resolve(wire.isWhole()) : setImmediate(look))
        look()
      })
      server.resetAll()
      assert.isFalse(yield* Effect.promise(() => isWholeOnce))
      assert.throws(() => wire.sql, /lost/)
    }
  }).pipe(Effect.scoped)
)
