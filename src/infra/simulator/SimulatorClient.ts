import { Effect, Option, Schema } from "effect"
import * as Identity from "./Identity.ts"
import type { Json } from "./SimulatedEvent.ts"
import { SimulatorFailed } from "./SimulatorFailed.ts"
import { Running, runningPath } from "./SimulatorServer.ts"
import { readJson } from "./StateFile.ts"

/** The simulator of a running `npm start`, as seen from another process of the same user. */
export interface SimulatorClient {
  readonly origin: string
  readonly identity: Identity.Identity
  /** From when this returns, the simulated APIs answer so. */
  readonly deposit: (
    payments: ReadonlyArray<Json>,
    events: ReadonlyArray<Json>
  ) => Effect.Effect<void, SimulatorFailed>
}

const CHUNK = 500
const TIME_LIMIT = 10_000

const ask = (url: string, body?: string) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, {
        method: body === undefined ? "GET" : "PUT",
        ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIME_LIMIT)])
      })
      await response.arrayBuffer()
      return response.status
    },
    catch: () => new SimulatorFailed({ message: `The simulator at ${url} does not answer` })
  })

/** Finds the simulator whose state lies in this folder; it must be running. */
export const connect = Effect.fn("SimulatorClient.connect")(function* (stateDir: string) {
  const absent = new SimulatorFailed({
    message: `No provider simulator is running for ${stateDir}: start it with \`npm start\` (or give --data-dir)`
  })
  const kept = yield* Effect.tryPromise({ try: () => readJson(runningPath(stateDir)), catch: () => absent })
  const running = yield* Effect.fromOption(Schema.decodeUnknownOption(Running)(kept)).pipe(
    Effect.mapError(() => absent)
  )
  const identity = yield* Identity.read(stateDir)
  if (identity === undefined) return yield* absent
  const { origin } = running
  const healthy = yield* ask(`${origin}/_simulator/health`).pipe(Effect.option)
  if (Option.getOrUndefined(healthy) !== 200) return yield* absent

  const put = (payments: ReadonlyArray<Json>, events: ReadonlyArray<Json>) =>
    ask(`${origin}/_simulator/deposits`, JSON.stringify({ payments, events })).pipe(
      Effect.flatMap((status) =>
        status === 200
          ? Effect.void
          : Effect.fail(new SimulatorFailed({ message: `The simulator refused a deposit with ${status}` }))
      )
    )
  const deposit: SimulatorClient["deposit"] = Effect.fnUntraced(function* (payments, events) {
    for (let from = 0; from < Math.max(payments.length, events.length); from += CHUNK)
      yield* put(payments.slice(from, from + CHUNK), events.slice(from, from + CHUNK))
  })
  return { origin, identity, deposit } satisfies SimulatorClient
})
