import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Exit, Result, Scope } from "effect"
import { expect, it } from "vitest"
import * as EmbeddedKafka from "../../../src/infra/embedded/EmbeddedKafka.ts"
import { consume } from "./Consumed.ts"
import { countFacts, NOTHING_WRONG } from "./Ledger.ts"
import { prepare, startWriters } from "./LogWriter.ts"
import { openWorld, type World, waitFor } from "./RelayWorld.ts"

const SCRIPT = fileURLToPath(new URL("relay-process.ts", import.meta.url))
/** Each costs a start of the broker. */
const BROKER_KILLS = Number(process.env.ONCEGATE_TEST_BROKER_KILLS ?? 1)
const random = (from: number, to: number) => from + Math.random() * (to - from)
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A relay in a process of its own, on the runtime of this one. */
const spawnRelay = (world: World): ChildProcess =>
  spawn(process.execPath, "Deno" in globalThis ? ["run", "-A", SCRIPT] : [SCRIPT], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      DATABASE_URL: world.url,
      KAFKA_BROKERS: world.brokers.join(","),
      KAFKA_TOPIC_PREFIX: world.prefix
    }
  })

const killed = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    child.once("exit", () => resolve())
    child.kill("SIGKILL")
  })

const batches = async (world: World) => {
  const [row] = await world.sql<[{ n: string | null }]>`SELECT max(batch) AS n FROM relay_checkpoint`
  return Number(row.n ?? -1)
}

/** Two relays at a time, one of them killed again and again at any moment, always after it could have done something. */
const killRelays = async (world: World, running: () => boolean) => {
  const relays = [spawnRelay(world), spawnRelay(world)]
  let kills = 0
  while (running()) {
    const before = await batches(world)
    await waitFor(
      "progress",
      () => batches(world),
      (now) => now > before + 2 || !running(),
      30_000
    )
    await sleep(random(0, 60))
    // The first of them is the active one as a rule, the other waits for its lock.
    await killed(relays.shift()!)
    kills += 1
    relays.push(spawnRelay(world))
  }
  return { kills, relays }
}

it("relays killed with SIGKILL at any moment lose nothing, double nothing and keep the order", {
  timeout: 90_000
}, async () => {
  const world = await openWorld()
  try {
    await prepare(world.sql, 30)
    const end = Date.now() + 12_000
    const writers = startWriters(world.sql, {
      writers: 8,
      keys: 30,
      stop: () => Date.now() > end,
      pauseMs: 10
    })
    const chaos = await killRelays(world, () => Date.now() < end)
    await writers.done
    const records = await consume(world.kafka, world.prefix, [world.names.events], writers.written(), {
      quietMs: 800
    })
    await Promise.all(chaos.relays.map(killed))

    expect(await countFacts(world.sql, records)).toEqual(NOTHING_WRONG)
    expect(chaos.kills).toBeGreaterThanOrEqual(4)
    console.info(
      `${records.length} facts through ${chaos.kills} kills of relays, ${await batches(world)} batches`
    )
  } finally {
    await world.close()
  }
})

it("a broker killed with SIGKILL under load changes nothing either", {
  timeout: 180_000
}, async (context) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-broker-"))
  const start = async () => {
    const scope = Effect.runSync(Scope.make())
    const started = await Effect.runPromise(
      EmbeddedKafka.start({ folder, ways: ["jars"] }).pipe(Scope.provide(scope), Effect.result)
    )
    return { scope, started }
  }
  let broker = await start()
  if (Result.isFailure(broker.started)) return context.skip(broker.started.failure.message)
  const { brokers } = broker.started.success
  const world = await openWorld({ brokers })
  let running = true
  let written: Promise<unknown> = Promise.resolve()
  try {
    await prepare(world.sql, 30)
    const relay = world.startRelay({ pace: { pageRows: 200, transactionMs: 0 } })
    await relay.until(({ state }) => state === "active")
    const writers = startWriters(world.sql, { writers: 4, keys: 30, stop: () => !running, pauseMs: 30 })
    written = writers.done
    for (let kill = 0; kill < BROKER_KILLS; kill++) {
      const before = (await relay.status()).transactions
      await relay.until(({ transactions }) => transactions > before + 10)
      process.kill(Number(readFileSync(path.join(folder, "pid"), "utf8")), "SIGKILL")
      await relay.until(({ state }) => state === "waiting")
      await Effect.runPromise(Scope.close(broker.scope, Exit.void))
      broker = await start()
      if (Result.isFailure(broker.started)) throw broker.started.failure
      expect(broker.started.success.brokers).toEqual(brokers)
      await relay.until(({ state }) => state === "active", 60_000)
    }
    running = false
    await writers.done
    await relay.until(({ backlog }) => backlog === 0, 60_000)
    const records = await consume(world.kafka, world.prefix, [world.names.events], writers.written())
    expect(await countFacts(world.sql, records)).toEqual(NOTHING_WRONG)
  } finally {
    running = false
    await written.catch(() => {})
    await world.close()
    await Effect.runPromise(Scope.close(broker.scope, Exit.void))
    rmSync(folder, { recursive: true, force: true })
  }
})
