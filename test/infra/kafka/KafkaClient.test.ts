import { createRequire } from "node:module"
import { Effect, Layer } from "effect"
import { expect, it } from "vitest"
import * as KafkaClient from "../../../src/infra/kafka/KafkaClient.ts"
import * as Logs from "../../../src/infra/telemetry/Logs.ts"
import { waitFor } from "./RelayWorld.ts"

const RequestQueue = createRequire(import.meta.url)("kafkajs/src/network/requestQueue") as new (
  options: object
) => {
  readonly pending: Array<unknown>
  throttleCheckTimeoutId: unknown
  checkPendingRequests(): void
  destroy(): void
}

it("a connection with nothing to send has no timer", () => {
  const queue = new RequestQueue({ logger: { debug: () => {} }, maxInFlightRequests: 0 })
  queue.checkPendingRequests()
  expect(queue.throttleCheckTimeoutId).toBe(null)
  queue.pending.push({})
  queue.checkPendingRequests()
  expect(queue.throttleCheckTimeoutId).not.toBe(null)
  queue.destroy()
})

it("kafkajs's words are lines of our log, for debugging only, and carry nothing but words", async () => {
  let written = ""
  const keep = (text: string) => {
    written += text
  }
  const say = async (level: "Debug" | "Info") => {
    written = ""
    const logs = Logs.layer({ format: "json", level, write: keep })
    await Effect.runPromise(
      Effect.gen(function* () {
        const kafka = yield* KafkaClient.make({ brokers: ["127.0.0.1:1"], clientId: "test" })
        kafka.logger().error(`refused ${"x".repeat(500)}`, { payload: "SENTINEL", stack: "SENTINEL" })
        yield* Effect.sleep(50)
      }).pipe(Effect.provide(Layer.mergeAll(logs)))
    )
  }
  await say("Debug")
  await waitFor(
    "a line",
    () => written,
    (text) => text.includes("\n")
  )
  const line = JSON.parse(written.split("\n")[0]!)
  expect(line).toMatchObject({ level: "debug", event: "KAFKAJS" })
  expect(line.message.length).toBeLessThan(220)
  expect(written).not.toContain("SENTINEL")
  await say("Info")
  expect(written).toBe("")
})
