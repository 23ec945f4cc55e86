import { Effect, Exit, Scope } from "effect"

const LOOK_MS = 2_000

/**
 * Starts a server. `tend` looks at it once, after a while, and starts it again, on its data and port, where it is gone:
 * whoever tries the service out may kill it and see what happens.
 */
export const keep = <A, E>(server: {
  readonly name: string
  readonly start: Effect.Effect<A, E, Scope.Scope>
  readonly isUp: (started: A) => Effect.Effect<boolean>
}) =>
  Effect.gen(function* () {
    let scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Effect.suspend(() => Scope.close(scope, Exit.void)))
    const up = Effect.suspend(() => Scope.provide(server.start, scope))
    const first = yield* up
    let started = first
    const tend = Effect.gen(function* () {
      yield* Effect.sleep(LOOK_MS)
      if (yield* server.isUp(started)) return
      yield* Effect.logWarning(`${server.name} is gone: it is started again`)
      yield* Scope.close(scope, Exit.void)
      scope = yield* Scope.make()
      started = yield* up
      yield* Effect.logInfo(`${server.name} is back`)
    })
    return { first, tend }
  })
