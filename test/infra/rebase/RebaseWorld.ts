import { Effect, Redacted } from "effect"
import { database } from "../../../src/cli/Service.ts"
import { type FailpointName, Failpoints } from "../../../src/domain/Failpoint.ts"
import * as Rebase from "../../../src/infra/rebase/Rebase.ts"
import type { StartAt } from "../../../src/infra/rebase/StartAt.ts"
import { auditOf } from "../audit/AuditWorld.ts"
import type { World } from "../kafka/RelayWorld.ts"

const optionsOf = (world: World, startAt: StartAt | null): Rebase.RebaseOptions => ({
  kafka: { brokers: world.brokers, topicPrefix: world.prefix },
  startAt,
  nowMs: Date.now(),
  lockMs: 5_000,
  unendedMs: 1_000,
  onProgress: () => {}
})
/** A broker with many topics to make can take its time. */
const WITHIN_MS = 60_000

export const act = { by: "ann", reason: "a drill" }

/** What a rebase would do. */
export const plan = (world: World, startAt: StartAt | null = null) =>
  Effect.scoped(Rebase.plan(optionsOf(world, startAt))).pipe(
    Effect.provide(database({ databaseUrl: Redacted.make(world.url) }))
  )

/** A rebase; `dieAt` ends it there as kill -9 would, or breaks off a transaction so many times. */
export const rebase = (
  world: World,
  startAt: StartAt | null = null,
  dieAt?: FailpointName,
  times = Number.POSITIVE_INFINITY
) => {
  let died = 0
  return Effect.scoped(Rebase.apply(optionsOf(world, startAt), act)).pipe(
    Effect.provideService(Failpoints, (name) => {
      if (name !== dieAt || died >= times) return Effect.void
      died += 1
      return Effect.die(`killed at ${name}`)
    }),
    Effect.provide(database({ databaseUrl: Redacted.make(world.url) }))
  )
}

/** Differences that the audit names, with Kafka compared. */
export const audit = (world: World) =>
  Effect.map(
    auditOf(world.url, { kafka: { brokers: world.brokers, topicPrefix: world.prefix } }),
    ({ named, summary }) => ({ named, records: summary.records })
  )

/** A relay that has come to an end with the log, and is stopped then. */
export const publish = (world: World) =>
  Effect.promise(async () => {
    const relay = world.startRelay()
    await relay.until(({ backlog, state }) => state === "active" && backlog === 0, WITHIN_MS)
    await relay.stop()
  })

/** What a relay refuses, started anew. */
export const refusalOf = (world: World) =>
  Effect.promise(async () => {
    const relay = world.startRelay()
    const { reason } = await relay.until(({ state }) => state === "refused", WITHIN_MS)
    await relay.stop()
    return reason?.explanation.split(":")[0]
  })

/** Every table as it is now, and a way back to it: a restored database, on the same server. */
export const backUp = Effect.fnUntraced(function* ({ sql }: World) {
  const names = yield* Effect.promise(
    () => sql<Array<{ name: string }>>`
      SELECT tablename AS name FROM pg_tables t WHERE schemaname = current_schema()
         AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = format('%I.%I', t.schemaname, t.tablename)::regclass)
         AND tablename !~ '^(backup_|schema_migrations|retention_marks)'`
  )
  const [sequence] = yield* Effect.promise(
    () => sql<[{ last: string }]>`SELECT last_value AS last FROM webhook_event_log_position_seq`
  )
  for (const { name } of names)
    yield* Effect.promise(() => sql.unsafe(`CREATE TABLE backup_${name} AS TABLE ${name}`))
  return Effect.promise(() =>
    sql.begin(async (tx) => {
      await tx`SET LOCAL session_replication_role = replica`
      for (const { name } of names) {
        await tx.unsafe(`DELETE FROM ${name}`)
        await tx.unsafe(`INSERT INTO ${name} OVERRIDING SYSTEM VALUE TABLE backup_${name}`)
      }
      await tx`SELECT setval('webhook_event_log_position_seq', ${sequence!.last}::bigint)`
    })
  )
})
