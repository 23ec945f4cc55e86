import { mkdtempSync, rmSync } from "node:fs"
import os from "node:os"
import path from "node:path"
import { Effect, Result } from "effect"
import { expect, it } from "vitest"
import * as KafkaJars from "../../../src/infra/embedded/KafkaJars.ts"
import { NONE } from "../../chaos/check.ts"
import { run } from "../../chaos/run.ts"
import { postgresService } from "../../support/Services.ts"

it("one fault of every kind loses nothing, doubles nothing and keeps the order", {
  timeout: 240_000
}, async (context) => {
  const jars = await Effect.runPromise(Effect.result(KafkaJars.find))
  if (Result.isFailure(jars)) return context.skip(jars.failure)
  const folder = mkdtempSync(path.join(os.tmpdir(), "oncegate-chaos-"))
  try {
    const seed = Number(process.env.ONCEGATE_TEST_SEED ?? Math.floor(Math.random() * 1e9))
    console.info(`seed ${seed}`)
    const { url } = await postgresService()
    const result = await run({
      url,
      folder: path.join(folder, "kafka"),
      rows: 2000,
      seed,
      relays: 2,
      faults: 14,
      brokerKills: 1,
      halfOpens: 0,
      say: (line) => console.info(line)
    })
    expect(result).toMatchObject({ events: NONE, outcomes: NONE })
    expect(result.facts).toBeGreaterThan(2000)
    expect(Object.keys(result.faults).length).toBe(14)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
