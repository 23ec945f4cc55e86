import { Effect, Layer, Redacted } from "effect"
import { Events } from "../../src/domain/Events.ts"
import { GateStore } from "../../src/domain/GateStore.ts"
import { Policy } from "../../src/domain/Policy.ts"
import * as Custody from "../../src/infra/crypto/Custody.ts"
import { type Connection, Database, make } from "../../src/infra/postgres/Database.ts"
import { DatabaseError } from "../../src/infra/postgres/DatabaseError.ts"
import * as LogSignal from "../../src/infra/postgres/LogSignal.ts"
import * as PostgresEvents from "../../src/infra/postgres/PostgresEvents.ts"
import * as PostgresGateStore from "../../src/infra/postgres/PostgresGateStore.ts"
import { INTERVAL_MINUTES, LEASE_MINUTES, MAX_ATTEMPTS } from "../../src/testing/Step.ts"
import { MINUTE } from "../../src/testing/World.ts"

/** Statements that the store repeats with the same tokens and fences, so that a lost reply changes nothing. */
const REPEATED = new Set(["claim", "reclaim", "complete", "fail", "renew"])

/**
 * A connection that now and then does the work and loses the reply, or loses the request; of each statement with its
 * parameters at most once. Test/infra/postgres cuts real connections; here it is about what the store makes of it.
 */
const losing = (connection: Connection, share: number, onLost: () => void): Connection => {
  const lost = new Set<string>()
  return {
    ...connection,
    query: (statement, text, parameters = []) =>
      Effect.suspend(() => {
        const name = `${statement} ${JSON.stringify(parameters.slice(0, 4))}`
        if (!REPEATED.has(statement) || lost.has(name) || Math.random() >= share)
          return connection.query(statement, text, parameters) as Effect.Effect<never, DatabaseError>
        lost.add(name)
        onLost()
        const failed = Effect.fail(
          new DatabaseError({ statement, fate: "ambiguous", code: "CONNECTION_CLOSED" })
        )
        return Math.random() < 0.3
          ? failed
          : Effect.andThen(connection.query(statement, text, parameters), failed)
      })
  }
}

/** A gate's store with its own connections and groups, and what people do at it. */
export const openGate = (
  url: string,
  options: { readonly lostReplies: number; readonly onLost: () => void }
) => {
  const database = Layer.effect(
    Database,
    Effect.map(
      make({
        url: Redacted.make(url),
        claimConnections: 4,
        completionConnections: 4,
        statementTimeoutMs: 5_000
      }),
      (open) =>
        Database.of({
          ...open,
          claims: losing(open.claims, options.lostReplies, options.onLost),
          awaited: losing(open.awaited, options.lostReplies, options.onLost),
          completions: losing(open.completions, options.lostReplies, options.onLost)
        })
    )
  )
  const shared = Layer.mergeAll(
    database,
    LogSignal.layer,
    Layer.succeed(Policy, {
      leaseMs: LEASE_MINUTES * MINUTE,
      maxAttempts: MAX_ATTEMPTS,
      backoffBaseMs: INTERVAL_MINUTES * MINUTE,
      backoffMaxMs: 1e9
    }),
    Custody.layer([{ id: "test", key: Redacted.make(new Uint8Array(32).fill(7)) }])
  )
  return Effect.map(
    Layer.build(
      Layer.fresh(Layer.mergeAll(PostgresGateStore.layer, PostgresEvents.layer).pipe(Layer.provide(shared)))
    ),
    (context) => ({
      store: context.mapUnsafe.get(GateStore.key) as typeof GateStore.Service,
      events: context.mapUnsafe.get(Events.key) as typeof Events.Service
    })
  )
}
export type Gate = Effect.Success<ReturnType<typeof openGate>>
