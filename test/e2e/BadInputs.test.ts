import { connect } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as SeededRandom from "../../src/infra/simulator/SeededRandom.ts"
import { newSeed } from "../../src/infra/simulator/World.ts"
import { until } from "../support/Gate.ts"
import { House, house } from "../support/House.ts"
import { cases } from "./bad/cases.ts"
import { mutated } from "./bad/mutated.ts"
import { bytesOf, send, sendBytes } from "./bad/raw.ts"

/** Who sends for ever, from the first case on: the limits are for the last one to see. */
class Slow extends Context.Service<
  Slow,
  {
    readonly unanswered: Promise<ReadonlyArray<Awaited<ReturnType<typeof dripped>>>>
    readonly refused: Promise<ReadonlyArray<Awaited<ReturnType<typeof dripped>>>>
    /** Answers on one connection: a refusal in the middle of a body that ended, and one after the drips were cut off. */
    readonly kept: Promise<number>
  }
>()("test/Slow") {}

const dripped = async (url: string, first: string, then: string) => {
  const begun = performance.now()
  const { status } = await sendBytes(url, Buffer.from(first), false, then)
  return { status, seconds: (performance.now() - begun) / 1_000 }
}

const slow = Layer.effect(
  Slow,
  Effect.gen(function* () {
    const { url } = (yield* House).gate
    const { host, hostname, port } = new URL(url)
    const head = `POST /webhooks/toss HTTP/1.1\r\nhost: ${host}\r\n`
    const body = `${head}content-type: application/json\r\n`
    const refused = `${head}content-type: text/plain\r\n`
    const length = "content-length: 5000\r\n\r\n"
    const chunked = "transfer-encoding: chunked\r\n\r\n"
    const chunk = "1\r\nx\r\n"

    const socket = connect(Number(port), hostname)
    let heard = ""
    socket.on("data", (bytes) => {
      heard += bytes.toString("latin1")
    })
    const answers = () => heard.split("HTTP/1.1 415").length - 1
    const hear = (count: number) => until(async () => socket.destroyed || answers() === count)
    socket.write(`${refused}content-length: 2\r\n\r\nx`)
    yield* hear(1)
    socket.write("x")
    const cut = Promise.all([
      dripped(url, `${refused}${length}`, "x"),
      dripped(url, `${refused}${chunked}`, chunk)
    ])
    const again = Effect.gen(function* () {
      yield* Effect.promise(() => cut)
      socket.write(`${refused}content-length: 0\r\n\r\n`)
      yield* hear(2)
      socket.destroy()
      return answers()
    })
    return {
      unanswered: Promise.all([
        dripped(url, head, "x"),
        dripped(url, `${body}${length}`, "x"),
        dripped(url, `${body}${chunked}`, chunk)
      ]),
      refused: cut,
      kept: Effect.runPromise(again)
    }
  })
)

layer(Layer.provideMerge(slow, house()), { excludeTestServices: true, timeout: "2 minutes" })(
  "bad input",
  (it) => {
    it.effect.each(cases.map((one) => [one.name, one] as const))(
      "%s",
      ([, { request, rows, status, word }]) =>
        Effect.gen(function* () {
          const { gate, providers } = yield* House
          const [{ last }] = yield* Effect.promise(
            () =>
              gate.sql<
                [{ last: string }]
              >`SELECT coalesce(max(id), 0)::text AS last FROM webhook_dedup_events`
          )
          const answer = yield* Effect.promise(() => send(gate.url, request(providers)))
          const left = yield* Effect.promise(
            () => gate.sql<Array<{ state: string }>>`
          SELECT concat_ws(' ', status, error_code) AS state FROM webhook_dedup_events WHERE id > ${last} ORDER BY id`
          )
          assert.deepStrictEqual(
            { ...answer, rows: left.map(({ state }) => state) },
            { status, word, rows: [...(rows ?? [])] }
          )
        })
    )

    it.effect("a body that breaks off is none, though what came of it could be read", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const body = Buffer.from(
          '{"eventType":"PAYMENT_STATUS_CHANGED","data":{"paymentKey":"half","status":"DONE","lastTransactionKey":"t"}}'
        )
        const bytes = bytesOf(gate.url, {
          path: "/webhooks/toss",
          headers: [
            ["content-type", "application/json"],
            ["content-length", String(body.length + 1)]
          ],
          body
        })
        assert.include([0, 400], (yield* Effect.promise(() => sendBytes(gate.url, bytes, true))).status)
        // A whole one after it: by then the half one would have its row.
        const whole = providers.capture()
        yield* Effect.promise(() =>
          send(gate.url, {
            path: "/webhooks/paypal",
            headers: Object.entries(whole.copies[0]!),
            body: whole.body
          })
        )
        const rows = yield* Effect.promise(
          () => gate.sql`SELECT FROM webhook_dedup_events WHERE dedup_key LIKE 'pkey\\_half:%'`
        )
        assert.isEmpty([...rows])
      })
    )

    it.effect("who sends a header, a body or chunks letter by letter is cut off", () =>
      Effect.gen(function* () {
        // 0: closed before the answer could be read.
        const answers = yield* Effect.flatMap(Slow, ({ unanswered }) => Effect.promise(() => unanswered))
        assert.strictEqual(answers.length, 3)
        for (const { status } of answers) assert.include([0, 408], status)
        const [headers, body] = answers
        assert.isBelow(headers!.seconds, body!.seconds - 5)
      })
    )

    it.effect("who is refused and goes on sending is cut off; who ends the body keeps the connection", () =>
      Effect.gen(function* () {
        const { kept, refused } = yield* Slow
        for (const { seconds, status } of yield* Effect.promise(() => refused)) {
          assert.strictEqual(status, 415)
          assert.isBelow(seconds, 10)
        }
        assert.strictEqual(yield* Effect.promise(() => kept), 2)
      })
    )

    it.effect("made at random around genuine ones: refused each, nothing stored, and the gate lives", () =>
      Effect.gen(function* () {
        const { gate, providers } = yield* House
        const seed = process.env.ONCEGATE_FUZZ_SEED ?? newSeed()
        const random = SeededRandom.make(seed)
        const rowsNow = Effect.promise(
          () => gate.sql<[{ rows: number }]>`SELECT count(*)::int AS rows FROM webhook_dedup_events`
        )
        const before = yield* rowsNow
        for (let round = 0; round < 150; round += 1) {
          const { bytes, half } = mutated(providers, random, gate.url)
          const answer = yield* Effect.promise(() => sendBytes(gate.url, bytes, half))
          assert.include(
            [0, 400, 401, 404, 405, 413, 415, 431],
            answer.status,
            `seed ${seed}, round ${round}`
          )
        }
        assert.deepStrictEqual(yield* rowsNow, before)
        const { body, copies } = providers.capture()
        const genuine = { path: "/webhooks/paypal", headers: Object.entries(copies[0]!), body }
        assert.deepStrictEqual(yield* Effect.promise(() => send(gate.url, genuine)), {
          status: 200,
          word: "processed"
        })
      })
    )
  }
)
