import { mkdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SimulatorServer from "../../src/infra/simulator/SimulatorServer.ts"
import { scratchFolder } from "../infra/simulator/scratchFolder.ts"
import { runCommand } from "./runCommand.ts"
import { alreadyProcessed, exact, type Manner, processed, stubGate } from "./StubGate.ts"

const setup = Effect.gen(function* () {
  const dataDir = yield* scratchFolder
  yield* SimulatorServer.start({ stateDir: join(dataDir, "simulator") })
  return dataDir
})

const simulate = (manner: Manner, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const dataDir = yield* setup
    const gate = yield* stubGate(manner)
    const result = yield* runCommand("simulate", "--data-dir", dataDir, "--url", gate.url, ...args)
    return { ...result, dataDir, gate }
  })

const readExpectation = (path: string) => Effect.promise(async () => JSON.parse(await readFile(path, "utf8")))

describe("oncegate simulate", () => {
  it.live("passes a gate that processes each event once", () =>
    Effect.gen(function* () {
      const dataDir = yield* setup
      const gate = yield* stubGate(exact)
      const file = join(dataDir, "new", "e.json")
      const { exitCode, out } = yield* runCommand(
        ...["simulate", "--data-dir", dataDir, "--url", gate.url, "--seed", "42"],
        ...["--events", "60", "--copies", "3", "--expect", file]
      )
      assert.strictEqual(exitCode, 0)
      assert.match(out, /^all +60 +60 +120 +0 +0 /m)
      assert.include(out, "60 events in 180 deliveries")
      assert.match(out, /Verdict: PASS$/)
      assert.strictEqual(gate.bodies.length, 180)
      assert.deepEqual([...gate.paths].sort(), ["/webhooks/paypal", "/webhooks/toss"])

      const expectation = yield* readExpectation(file)
      assert.strictEqual(expectation.seed, "42")
      assert.strictEqual(expectation.events.length, 60)
      const keys = expectation.facts.map(
        (fact: { endpoint: string; effect_key: string }) => fact.endpoint + fact.effect_key
      )
      assert.isAbove(keys.length, 20)
      assert.strictEqual(new Set(keys).size, keys.length)
      assert.deepEqual(expectation.unanswered, { events: [], facts: [] })
    })
  )

  it.live("tells the same for the same seed", () =>
    Effect.gen(function* () {
      const one = yield* simulate(exact, "--seed", "7", "--events", "30", "--copies", "1")
      const two = yield* simulate(exact, "--seed", "7", "--events", "30", "--copies", "1")
      const sorted = ({ gate }: typeof one) => gate.bodies.map((body) => body.toString("utf8")).sort()
      assert.deepEqual(sorted(one), sorted(two))
    })
  )

  it.live(
    "counts an answer at the deadline as processed, and waits for the end before the story goes on",
    () =>
      Effect.gen(function* () {
        const late: Manner = (delivery) =>
          delivery === 0
            ? { httpStatus: 200, body: { status: "accepted" } }
            : delivery === 1
              ? { httpStatus: 200, body: { status: "already_processed", state: "processing" } }
              : alreadyProcessed
        const { exitCode, out } = yield* simulate(
          late,
          "--provider",
          "toss",
          "--events",
          "40",
          "--copies",
          "2"
        )
        assert.strictEqual(exitCode, 0, out)
        assert.match(out, /^all +40 +40 +40 +0 +0 /m)
      })
  )

  it.live("fails a gate that processes an event twice", () =>
    Effect.gen(function* () {
      const twice: Manner = (delivery) => (delivery < 2 ? processed : alreadyProcessed)
      const { error, exitCode, out } = yield* simulate(twice, "--provider", "paypal", "--events", "5")
      assert.strictEqual(exitCode, 1)
      assert.match(out, /Verdict: FAIL$/)
      assert.include(error, "5 of 5 events were not processed exactly once")
    })
  )

  it.live("fails a gate that puts an event off, or answers with an error", () =>
    Effect.gen(function* () {
      const later: Manner = (delivery) =>
        delivery === 0 ? { httpStatus: 200, body: { status: "retry_scheduled" } } : alreadyProcessed
      const put = yield* simulate(later, "--provider", "paypal", "--events", "5")
      assert.strictEqual(put.exitCode, 1)
      assert.include(put.out, "answered 200 retry_scheduled: 5")

      const broken: Manner = (delivery) =>
        delivery === 1 ? { httpStatus: 500, body: { error_code: "WEBHOOK_INTERNAL_ERROR" } } : exact(delivery)
      const failed = yield* simulate(broken, "--provider", "paypal", "--events", "5")
      assert.strictEqual(failed.exitCode, 1)
      assert.include(failed.out, "answered 500 WEBHOOK_INTERNAL_ERROR: 5")
    })
  )

  it.live("expects nothing for sure of events that nobody answered, and ends their stories", () =>
    Effect.gen(function* () {
      const dataDir = yield* setup
      const file = join(dataDir, "e.json")
      const { exitCode, out } = yield* runCommand(
        ...["simulate", "--data-dir", dataDir, "--url", "http://127.0.0.1:1", "--provider", "toss"],
        ...["--events", "40", "--seed", "3", "--expect", file]
      )
      assert.strictEqual(exitCode, 1)
      assert.include(out, "answered ECONNREFUSED")
      assert.include(out, "not sent, because the story before them broke off: ")
      const expectation = yield* readExpectation(file)
      assert.deepEqual([expectation.events, expectation.facts], [[], []])
      assert.isAbove(expectation.unanswered.events.length, 10)
      assert.isBelow(expectation.unanswered.events.length, 40)
    })
  )

  it.live("sends again what got no 200, where it is told to, and forgives the lost answer only", () =>
    Effect.gen(function* () {
      const flaky: Manner = (delivery) =>
        delivery === 0 ? { httpStatus: 503, body: {} } : exact(delivery - 1)
      const mended = yield* simulate(flaky, "--events", "20", "--copies", "2", "--retry", "5")
      assert.strictEqual(mended.exitCode, 0, mended.out)
      assert.include(mended.out, "sent again, because no 200 came: ")

      const lost: Manner = (delivery) => (delivery === 0 ? { httpStatus: 502, body: {} } : alreadyProcessed)
      const kept = yield* simulate(lost, "--events", "5", "--copies", "1", "--retry", "5")
      assert.strictEqual(kept.exitCode, 0, kept.out)
      assert.match(kept.out, /^all +5 +0 +5 /m)
      assert.include(kept.out, "sent again, because no 200 came: 5 times (502: 5)")
      assert.include(kept.out, "processed, though no answer told: 5 events")
      assert.notInclude(mended.out, "no answer told")

      const none = yield* simulate(() => alreadyProcessed, "--events", "5", "--copies", "1", "--retry", "5")
      assert.strictEqual(none.exitCode, 1)
    })
  )

  it.live(
    "takes a lost answer for `processed` only where the gate says that it is done, and asks until it does",
    () =>
      Effect.gen(function* () {
        const afterLoss =
          (...states: ReadonlyArray<string>): Manner =>
          (delivery) =>
            delivery === 0
              ? { httpStatus: 502, body: {} }
              : {
                  httpStatus: 200,
                  body: { status: "already_processed", state: states[Math.min(delivery, states.length) - 1] }
                }
        const args = ["--provider", "paypal", "--events", "5", "--copies", "1", "--retry", "5"]
        const late = yield* simulate(afterLoss("processing", "processing", "done"), ...args, "--json")
        assert.deepInclude(JSON.parse(late.out), {
          verdict: "PASS",
          processed_unseen: 5,
          retried_after: { "502": 5 }
        })
        const parked = yield* simulate(afterLoss("parked"), ...args)
        assert.strictEqual(parked.exitCode, 1)
        assert.include(parked.out, ": 200 already_processed parked")
      })
  )

  it.live("keeps to a rate", () =>
    Effect.gen(function* () {
      const { out } = yield* simulate(
        exact,
        ...["--provider", "paypal", "--events", "10", "--copies", "2", "--rate", "40", "--json"]
      )
      const { deliveries, per_second, verdict } = JSON.parse(out)
      assert.deepEqual([deliveries, verdict], [20, "PASS"])
      assert.isBelow(per_second, 45)
    })
  )

  it.live("finds the gate in the data folder, and tells of the vault where its pseudonyms are known", () =>
    Effect.gen(function* () {
      const dataDir = yield* setup
      const gate = yield* stubGate(exact)
      yield* Effect.promise(() =>
        writeFile(join(dataDir, "dev.json"), JSON.stringify({ ingress: gate.url, pseudonym_key: "ab" }))
      )
      const { exitCode, out } = yield* runCommand(
        ...["simulate", "--data-dir", dataDir, "--provider", "paypal", "--events", "120", "--seed", "1"]
      )
      assert.strictEqual(exitCode, 0)
      assert.include(out, "VAULT.PAYMENT-TOKEN.CREATED")
    })
  )

  it.live("says in one line what is missing", () =>
    Effect.gen(function* () {
      const dataDir = yield* scratchFolder
      const nobody = yield* runCommand("simulate", "--data-dir", dataDir)
      assert.strictEqual(nobody.exitCode, 1)
      assert.include(nobody.error, "npm start")

      // its files are there, but it runs no more
      const stateDir = join(dataDir, "simulator")
      yield* Effect.promise(() => mkdir(stateDir, { recursive: true }))
      yield* Effect.scoped(SimulatorServer.start({ stateDir }))
      const gone = yield* runCommand("simulate", "--data-dir", dataDir)
      assert.include(gone.error, "npm start")

      const address = yield* runCommand("simulate", "--data-dir", dataDir, "--url", "127.0.0.1:8080")
      assert.include(address.error, "--url must be")
      const unwritable = yield* simulate(exact, "--events", "1", "--expect", "/dev/null/e.json")
      assert.strictEqual(unwritable.error, "Cannot write /dev/null/e.json")
    })
  )
})
