import { randomUUID } from "node:crypto"
import { Effect, Exit, ManagedRuntime, Scope } from "effect"
import postgres from "postgres"
import { afterEach, beforeEach, expect, it } from "vitest"
import { Database } from "../../../src/infra/postgres/Database.ts"
import { acquire, type Leadership } from "../../../src/infra/postgres/LeaderLock.ts"
import { origin } from "../../../src/infra/postgres/LogReader.ts"
import * as Migrations from "../../../src/infra/postgres/Migrations.ts"
import { confirm, open, pace, read, remove } from "../../../src/infra/postgres/RelayCheckpoint.ts"
import { freshSchema } from "../../support/Services.ts"
import { databaseLayer } from "../kafka/Pace.ts"

const openWorld = async () => {
  const { url } = await freshSchema()
  const sql = postgres(url, { max: 2, onnotice: () => {} })
  const runtime = ManagedRuntime.make(databaseLayer(url))
  await runtime.runPromise(Migrations.migrate)
  const database = await runtime.runPromise(Database)
  const scopes = new Set<Scope.Closeable>()
  /** Takes the lock in a session of its own; `leave` ends that session. */
  const lead = async (onStandby: Effect.Effect<void> = Effect.void, of: Database["Service"] = database) => {
    const scope = Effect.runSync(Scope.make())
    scopes.add(scope)
    const leader = await Effect.runPromise(
      acquire(of, { name: "relay", pollMs: 20, onStandby }).pipe(Scope.provide(scope))
    )
    return { leader, leave: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
  }
  const close = async () => {
    for (const scope of scopes) await Effect.runPromise(Scope.close(scope, Exit.void))
    await runtime.dispose()
    await sql.end({ timeout: 2 })
  }
  return { sql, database, lead, close }
}

let world: Awaited<ReturnType<typeof openWorld>>
beforeEach(async () => {
  world = await openWorld()
})
afterEach(() => world.close())

const run = Effect.runPromise
const tagOf = (effect: Effect.Effect<void, { readonly _tag: string }>) =>
  run(Effect.match(effect, { onSuccess: () => "done", onFailure: ({ _tag }) => _tag }))
const row = (batch: number) => ({
  batch,
  nonce: randomUUID(),
  place: { ...origin, position: batch },
  clusterId: "C"
})
const standing = async (leader: Leadership) => {
  const { confirmed, open } = await run(read(leader))
  return { confirmed: confirmed?.batch, open: open?.batch }
}
it("knows the last confirmed batch and the open one; a batch confirms the one before it", async () => {
  const { leader } = await world.lead()
  const rows = [row(0), row(1), row(2)] as const
  expect(await standing(leader)).toEqual({ confirmed: undefined, open: undefined })
  await run(open(leader, rows[0], undefined))
  expect(await standing(leader)).toEqual({ confirmed: undefined, open: 0 })
  await run(open(leader, rows[1], rows[0]))
  expect(await standing(leader)).toEqual({ confirmed: 0, open: 1 })
  await run(confirm(leader, rows[1]))
  await run(confirm(leader, rows[1]))
  expect(await standing(leader)).toEqual({ confirmed: 1, open: undefined })
  await run(open(leader, rows[2], undefined))
  expect((await run(read(leader))).open).toEqual(rows[2])
  await run(remove(leader, rows[2]))
  expect(await standing(leader)).toEqual({ confirmed: 1, open: undefined })
})

it("keeps where the topics ended with the batch that is confirmed, by its own confirmation or the next batch", async () => {
  const { leader } = await world.lead()
  const [first, second] = [row(0), row(1)]
  await run(open(leader, first, undefined))
  await run(open(leader, second, { ...first, reached: { events: 5, outcomes: 6 } }))
  expect((await run(read(leader))).confirmed?.reached).toEqual({ events: 5, outcomes: 6 })
  expect((await run(read(leader))).open?.reached).toBe(undefined)
  await run(confirm(leader, { ...second, reached: { events: 7, outcomes: 8 } }))
  expect((await run(read(leader))).confirmed).toEqual({ ...second, reached: { events: 7, outcomes: 8 } })
})

it("knows how many positions go by in a second, lately", async () => {
  const { leader } = await world.lead()
  expect(await run(pace(leader.connection))).toBe(null)
  // Back between two differences; and one long ago.
  await world.sql`INSERT INTO relay_checkpoint (batch, nonce, from_snapshot, to_snapshot, position, kafka_cluster_id, created_at)
                  SELECT n, gen_random_uuid(), '1:1:', '1:1:', p, 'C', now() - ago * interval '1 second'
                    FROM (VALUES (1, 0, 60), (2, 1000, 4), (3, 3000, 3), (4, 2990, 2), (5, 6990, 1)) b (n, p, ago)`
  expect(await run(pace(leader.connection))).toBeCloseTo(2000, 3)
})

it("prunes old batches", async () => {
  const { leader } = await world.lead()
  await world.sql`INSERT INTO relay_checkpoint SELECT n, gen_random_uuid(), '1:1:', '1:1:', 0, 'C', now(), now() FROM generate_series(0, 799) n`
  await run(open(leader, row(800), undefined))
  const [left] = await world.sql`SELECT min(batch) AS first, count(*)::int AS rows FROM relay_checkpoint`
  expect(left).toEqual({ first: "300", rows: 501 })
})

it("lets a second one stand by until the first is gone", async () => {
  const first = await world.lead()
  let waits = 0
  const second = world.lead(
    Effect.sync(() => {
      waits += 1
    })
  )
  while (waits < 3) await new Promise((resolve) => setTimeout(resolve, 10))
  await first.leave()
  const { leader } = await second
  expect(await tagOf(open(leader, row(0), undefined))).toBe("done")
})

it("is not written by one that lost its session, though its driver has connected again", async () => {
  const { leader } = await world.lead()
  const rows = [row(0), row(1)] as const
  await run(open(leader, rows[0], undefined))
  const lost = tagOf(leader.lost)
  await world.sql`SELECT pg_terminate_backend(pid) FROM pg_locks
                   WHERE locktype = 'advisory' AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = 'oncegate relay')
                     AND (classid::bigint << 32 | objid::bigint) = hashtextextended(current_schema() || '/relay', 0)`

  expect(await lost).toBe("LeadershipLost")
  for (const late of [open(leader, rows[1], rows[0]), confirm(leader, rows[0]), remove(leader, rows[0])])
    expect(await tagOf(late)).toMatch(/LeadershipLost|DatabaseError/)
  const successor = await world.lead()
  expect(await standing(successor.leader)).toEqual({ confirmed: undefined, open: 0 })
})

it("is not written over: a number is given once", async () => {
  const { leader } = await world.lead()
  await run(open(leader, row(0), undefined))
  expect(await tagOf(open(leader, row(0), undefined))).toBe("DatabaseError")
})

it("is refused behind a pooler that gives each transaction another session", async () => {
  // What such a pooler does: all clients share a few sessions, and each statement takes the one that is free.
  const pooled: Database["Service"] = {
    ...world.database,
    session: () => Effect.succeed(world.database.claims)
  }
  expect(
    await run(
      acquire(pooled, { name: "relay", pollMs: 20, onStandby: Effect.void }).pipe(
        Effect.scoped,
        Effect.match({ onSuccess: () => "leader", onFailure: ({ _tag }) => _tag })
      )
    )
  ).toBe("PoolerRefused")
})
