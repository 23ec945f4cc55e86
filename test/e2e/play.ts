import { createHmac } from "node:crypto"
import { Effect } from "effect"
import type postgres from "postgres"
import * as Cast from "../../src/infra/simulator/Cast.ts"
import * as Courier from "../../src/infra/simulator/Courier.ts"
import * as Expectation from "../../src/infra/simulator/Expectation.ts"
import { play } from "../../src/infra/simulator/Play.ts"
import { report } from "../../src/infra/simulator/Report.ts"
import * as SeededRandom from "../../src/infra/simulator/SeededRandom.ts"
import * as World from "../../src/infra/simulator/World.ts"
import type { ProvidersUnderTest } from "../support/Gate.ts"

/** Plays both providers against a gate, as `oncegate simulate` does, and says what must come out of it. */
export const simulate = Effect.fnUntraced(function* (
  { client }: ProvidersUnderTest,
  sql: postgres.Sql,
  url: () => string,
  options: {
    readonly events: number
    readonly copies: number
    readonly onReceived?: () => void
    readonly retryMs?: number
  }
) {
  const seed = World.newSeed()
  const [row] = yield* Effect.promise(
    () =>
      sql<Array<{ pseudonym_key: Buffer }>>`SELECT pseudonym_key FROM webhook_endpoints WHERE name = 'paypal'`
  )
  const stories = Cast.stories(client, ["paypal", "toss"], options.events, {
    seed,
    copies: options.copies,
    now: Date.now(),
    pseudonym: (token) => createHmac("sha256", row!.pseudonym_key).update(token).digest("hex")
  })
  const courier = yield* Effect.acquireRelease(
    Effect.sync(() => Courier.make(32, 10_000)),
    (open) => Effect.sync(open.close)
  )
  const { ms, told } = yield* play(stories, {
    urlOf: (endpoint) => new URL(`${url()}/webhooks/${endpoint}`),
    courier,
    deposit: client.deposit,
    concurrency: 32,
    retryMs: options.retryMs ?? 10_000,
    random: SeededRandom.make(`${seed}/order`),
    onReceived: options.onReceived ?? (() => {})
  })
  return { report: report(seed, told, ms), expected: Expectation.settled(seed, told), told }
})
