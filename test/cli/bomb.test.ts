import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SimulatorServer from "../../src/infra/simulator/SimulatorServer.ts"
import { scratchFolder } from "../infra/simulator/scratchFolder.ts"
import { runCommand } from "./runCommand.ts"
import { alreadyProcessed, exact, type Manner, processed, stubGate } from "./StubGate.ts"

/** Spaces and order that no serialiser would write: the bytes must arrive as they are. */
const PAYLOAD = '{ "id":"WH-1",\n\t"resource": {"sentinel":"hunter2"} , "amount" : 1.50 }\n'
const HEADERS = {
  "PayPal-Transmission-Id": "t-1",
  host: "elsewhere",
  "content-length": "1",
  authorization: "hunter2"
}

const files = Effect.gen(function* () {
  const folder = yield* scratchFolder
  const payload = join(folder, "payload.json")
  const headers = join(folder, "headers.json")
  yield* Effect.promise(() => writeFile(payload, PAYLOAD))
  yield* Effect.promise(() => writeFile(headers, JSON.stringify(HEADERS)))
  return { payload, headers, args: ["--payload", payload, "--headers", headers] }
})

const bombard = (manner: Manner, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const given = yield* files
    const gate = yield* stubGate(manner)
    return { gate, ...(yield* runCommand("bomb", "--url", gate.url, ...given.args, ...args)) }
  })

describe("oncegate bomb", () => {
  it.live("passes a gate that processes one of five, and shows no content", () =>
    Effect.gen(function* () {
      const { error, exitCode, gate, out } = yield* bombard(exact)
      assert.strictEqual(exitCode, 0, error)
      assert.match(out, /Verdict: PASS$/)
      assert.include(out, "HTTP: 200 x 5")
      assert.include(out, "Idempotency: processed 1, already processed 4, other 0")
      assert.strictEqual(out.match(/FIRST/g)?.length, 1)
      assert.include(out, `${PAYLOAD.length} bytes`)
      assert.notInclude(out, "hunter2")
      assert.deepEqual(
        gate.bodies.map((body) => body.toString("utf8")),
        Array.from({ length: 5 }, () => PAYLOAD)
      )
      assert.deepEqual([...gate.paths], ["/webhooks/paypal"])
    })
  )

  it.live("opens all connections before it releases the first delivery", () =>
    Effect.gen(function* () {
      const { exitCode, gate } = yield* bombard(exact, "--n", "50")
      assert.deepEqual([exitCode, gate.connectionsAtFirst()], [0, 50])
    })
  )

  const wrong: ReadonlyArray<readonly [string, Manner, RegExp]> = [
    [
      "processes two",
      (delivery) => (delivery < 2 ? processed : alreadyProcessed),
      /2 deliveries were processed/
    ],
    ["processes none", () => alreadyProcessed, /knew this event before/],
    [
      "answers one with 500",
      (delivery) => (delivery === 3 ? { httpStatus: 500, body: { error_code: "X" } } : exact(delivery)),
      /1 of 5 deliveries were not answered 200/
    ],
    [
      "answers one with 401",
      (delivery) => (delivery === 4 ? { httpStatus: 401, body: {} } : exact(delivery)),
      /1 of 5 deliveries were not answered 200/
    ],
    [
      "puts the work off",
      (delivery) =>
        delivery === 0 ? { httpStatus: 200, body: { status: "retry_scheduled" } } : alreadyProcessed,
      /neither processed nor already_processed/
    ],
    [
      "is still at work when it must answer",
      (delivery) => (delivery === 0 ? { httpStatus: 200, body: { status: "accepted" } } : alreadyProcessed),
      /still at work/
    ]
  ]
  for (const [name, manner, reason] of wrong) {
    it.live(`fails a gate that ${name}`, () =>
      Effect.gen(function* () {
        const { error, exitCode, out } = yield* bombard(manner)
        assert.strictEqual(exitCode, 1)
        assert.match(out, /Verdict: FAIL$/)
        assert.match(error, reason)
      })
    )
  }

  it.live("fails where an answer does not come in time", () =>
    Effect.gen(function* () {
      const silent: Manner = (delivery) => (delivery === 2 ? undefined : exact(delivery))
      const { exitCode, out } = yield* bombard(silent, "--timeout", "0.4")
      assert.strictEqual(exitCode, 1)
      assert.match(out, /TIMEOUT +ERROR/)
      assert.include(out, "HTTP: no answer x 1, 200 x 4")
    })
  )

  it.live("fails where nobody listens", () =>
    Effect.gen(function* () {
      const { args } = yield* files
      const { exitCode, out } = yield* runCommand("bomb", "--url", "http://127.0.0.1:1", "--n", "3", ...args)
      assert.strictEqual(exitCode, 1)
      assert.strictEqual(out.match(/ECONNREFUSED +ERROR/g)?.length, 3)
    })
  )

  it.live("takes a fresh delivery from the simulator, or writes it down", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchFolder
      yield* SimulatorServer.start({ stateDir: join(dataDir, "simulator") })
      const gate = yield* stubGate(exact)
      for (const provider of ["paypal", "toss"]) {
        const fired = yield* runCommand(
          "bomb",
          "--data-dir",
          dataDir,
          "--url",
          gate.url,
          "--provider",
          provider
        )
        assert.strictEqual(fired.exitCode, 0, fired.error)
        assert.isTrue(gate.paths.has(`/webhooks/${provider}`))
      }
      const folder = join(dataDir, "saved")
      const sent = gate.bodies.length
      yield* runCommand("bomb", "--data-dir", dataDir, "--provider", "toss", "--save", folder)
      assert.strictEqual(gate.bodies.length, sent)
      const saved = yield* runCommand(
        ...["bomb", "--url", gate.url, "--payload", join(folder, "webhook_payload.json")],
        ...["--headers", join(folder, "webhook_headers.json")]
      )
      assert.strictEqual(saved.exitCode, 0, saved.error)
      const payload = yield* Effect.promise(() => readFile(join(folder, "webhook_payload.json")))
      assert.deepEqual(gate.bodies.at(-1), payload)
    })
  )

  it.live("refuses samples whose placeholders were left in", () =>
    Effect.gen(function* () {
      const { headers, payload } = yield* files
      const samples = new URL("../../ops/scripts/.local/", import.meta.url).pathname
      for (const provider of ["", "toss."]) {
        const body = `${samples}webhook_payload.${provider}sample.json`
        const first = yield* runCommand("bomb", "--payload", body, "--headers", headers)
        assert.match(first.error, /still holds the placeholder REPLACE_WITH_/)
        const heads = `${samples}webhook_headers.${provider}sample.json`
        const second = yield* runCommand("bomb", "--payload", payload, "--headers", heads)
        assert.match(second.error, /still holds the placeholder REPLACE_WITH_/)
      }
    })
  )

  it.live("says in one line what is wrong with its files", () =>
    Effect.gen(function* () {
      const { headers, payload } = yield* files
      const alone = yield* runCommand("bomb", "--payload", payload)
      assert.include(alone.error, "belong together")
      const missing = yield* runCommand("bomb", "--payload", "/nowhere.json", "--headers", headers)
      assert.strictEqual(missing.error, "Cannot read /nowhere.json")
      yield* Effect.promise(() => writeFile(headers, "[1]"))
      const list = yield* runCommand("bomb", "--payload", payload, "--headers", headers)
      assert.include(list.error, "must be a JSON object")
      yield* Effect.promise(() => writeFile(headers, '{"a":"b\\r\\nc: d"}'))
      const split = yield* runCommand("bomb", "--payload", payload, "--headers", headers)
      assert.include(split.error, "cannot be sent: a")
      yield* Effect.promise(() => writeFile(headers, "{}"))
      const whose = yield* runCommand(
        "bomb",
        "--url",
        "http://127.0.0.1:1",
        "--payload",
        payload,
        "--headers",
        headers
      )
      assert.include(whose.error, "--provider")
    })
  )
})
