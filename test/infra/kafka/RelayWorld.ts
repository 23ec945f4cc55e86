import { Effect, Layer, Logger, ManagedRuntime, References } from "effect"
import kafkajs from "kafkajs"
import postgres from "postgres"
import { Failpoints } from "../../../src/domain/Failpoint.ts"
import * as Relay from "../../../src/infra/kafka/Relay.ts"
import type { RelayStatus } from "../../../src/infra/kafka/RelayStatus.ts"
import { namesOf } from "../../../src/infra/kafka/Topics.ts"
import * as LogSignal from "../../../src/infra/postgres/LogSignal.ts"
import * as Migrations from "../../../src/infra/postgres/Migrations.ts"
import { freshPrefix, freshSchema, kafkaBrokers } from "../../support/Services.ts"
import { databaseLayer, PACE } from "./Pace.ts"

/** Log lines of the relays of a test, as `EVENT CODE message`. */
const logsInto = (lines: Array<string>) =>
  Logger.layer([
    Logger.make<unknown, void>(({ fiber, logLevel, message }) => {
      const annotations = fiber.getRef(References.CurrentLogAnnotations)
      lines.push([annotations.event, annotations.code, logLevel, String(message)].filter(Boolean).join(" "))
    })
  ])

export interface RunningRelay {
  readonly status: () => Promise<RelayStatus>
  readonly raise: () => void
  readonly until: (wanted: (status: RelayStatus) => boolean, withinMs?: number) => Promise<RelayStatus>
  readonly stop: () => Promise<void>
}

export const waitFor = async <A>(
  what: string,
  ask: () => A | Promise<A>,
  good: (a: A) => boolean,
  ms = 20_000
) => {
  const end = Date.now() + ms
  let answer = await ask()
  while (!good(answer)) {
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)?.slice(0, 500)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    answer = await ask()
  }
  return answer
}

/** A migrated schema, a topic prefix, and everything that a relay test does with them. */
export const openWorld = async (given?: Pick<Relay.RelayOptions, "brokers" | "sasl">) => {
  const { url } = await freshSchema()
  // On brokers of its own there is nothing to tidy up.
  const prefix = given === undefined ? freshPrefix() : "own."
  const brokers = given?.brokers ?? (await kafkaBrokers())
  const names = namesOf(prefix)
  const sql = postgres(url, { max: 30, onnotice: () => {} })
  const logs: Array<string> = []
  const relays = new Set<RunningRelay>()
  await Effect.runPromise(Migrations.migrate.pipe(Effect.provide(databaseLayer(url))))
  await sql`INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key)
            VALUES ('paypal', 'paypal', 'simulated', '\\x00'), ('toss', 'toss', 'sandbox', '\\x00')`

  const startRelay = (
    options: {
      readonly pace?: Partial<Relay.RelayPace>
      readonly brokers?: ReadonlyArray<string>
      readonly sasl?: Relay.RelayOptions["sasl"]
      readonly url?: string
      readonly failpoints?: typeof Failpoints.Service
    } = {}
  ): RunningRelay => {
    const runtime = ManagedRuntime.make(
      Relay.layer({
        ...given,
        brokers: options.brokers ?? brokers,
        clientId: "relay-test",
        topicPrefix: prefix,
        pace: { ...PACE, ...options.pace }
      }).pipe(
        Layer.provideMerge(Layer.merge(databaseLayer(options.url ?? url), LogSignal.layer)),
        Layer.provideMerge(Layer.merge(logsInto(logs), Layer.succeed(Failpoints, options.failpoints)))
      )
    )
    const ready = runtime.runPromise(Effect.all([Relay.Relay, LogSignal.LogSignal]))
    let signal: LogSignal.LogSignal["Service"] | undefined
    ready.then(([, found]) => {
      signal = found
    })
    const status = async () => Effect.runPromise((await ready)[0].status)
    const relay: RunningRelay = {
      status,
      raise: () => signal?.raise(),
      until: (wanted, withinMs) => waitFor("relay", status, wanted, withinMs),
      stop: async () => {
        relays.delete(relay)
        await runtime.dispose()
      }
    }
    relays.add(relay)
    return relay
  }

  return {
    url,
    prefix,
    brokers,
    names,
    sql,
    logs,
    startRelay,
    kafka: new kafkajs.Kafka({ clientId: "test", brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING }),
    close: async () => {
      await Promise.all([...relays].map((relay) => relay.stop()))
      await sql.end({ timeout: 2 })
    }
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>
