import { Effect } from "effect"
import type postgres from "postgres"
import * as Grouping from "../../src/infra/postgres/Grouping.ts"
import { MINUTE } from "../../src/testing/World.ts"
import type { FinalRow } from "./transcript.ts"

/** What is in the tables of one endpoint. */
export interface Left {
  readonly rows: ReadonlyArray<FinalRow & { readonly key: string }>
  readonly log: ReadonlyArray<{
    readonly key: string
    readonly type: string
    readonly data: Readonly<Record<string, unknown>> & { readonly fact?: { readonly effect_key: string } }
  }>
  readonly booked: ReadonlyArray<string>
}

const ROWS = `
SELECT provider, dedup_key AS key, status, fence, attempts, failures, version, error_code,
       next_attempt_at IS NOT DISTINCT FROM 'infinity' AS parked, lease_until IS NOT NULL AS leased
  FROM webhook_dedup_events WHERE provider = ANY($1::text[])`
const LOG = `SELECT provider, dedup_key AS key, type, data FROM webhook_event_log WHERE provider = ANY($1::text[]) ORDER BY position`
const BOOKED = `SELECT provider, effect_key FROM billing_effects WHERE provider = ANY($1::text[]) ORDER BY effect_key`

type OfProvider<A> = A & { readonly provider: string }

/** The way past the gate: to let time pass, and to look at what was written. For many endpoints in one statement. */
export const makeLookAside = Effect.fnUntraced(function* (sql: postgres.Sql) {
  const find = <A extends object>(text: string, names: ReadonlyArray<string>) =>
    sql.unsafe<Array<OfProvider<A>>>(text, [names as Array<string>])

  /** Everything that the gate compares with its clock moves back. */
  const wait = yield* Grouping.make<{ readonly name: string; readonly minutes: number }, void>({
    name: "look_aside",
    maxRows: 500,
    inFlight: 1,
    exclusive: ({ name }) => [name],
    run: (items) =>
      Effect.promise(async () => {
        const names = items.map(({ name }) => name)
        const times = items.map(({ minutes }) => minutes * MINUTE)
        await sql`
          UPDATE webhook_dedup_events e
             SET lease_until = lease_until - v.ms * interval '1 ms',
                 next_attempt_at = next_attempt_at - v.ms * interval '1 ms',
                 changed_at = changed_at - v.ms * interval '1 ms'
            FROM unnest(${names}::text[], ${times}::bigint[]) AS v(name, ms)
           WHERE e.provider = v.name AND e.status <> 'done'`
        return items.map(() => undefined)
      })
  })

  const left = yield* Grouping.make<string, Left>({
    name: "look_aside",
    maxRows: 500,
    inFlight: 1,
    exclusive: (name) => [name],
    run: (names) =>
      Effect.promise(async () => {
        const [rows, log, booked] = await Promise.all([
          find<Left["rows"][number]>(ROWS, names),
          find<Left["log"][number]>(LOG, names),
          find<{ readonly effect_key: string }>(BOOKED, names)
        ])
        const by = <A>(all: ReadonlyArray<OfProvider<A>>) => Map.groupBy(all, ({ provider }) => provider)
        const [rowsOf, logOf, bookedOf] = [by(rows), by(log), by(booked)]
        return names.map((name) => ({
          rows: (rowsOf.get(name) ?? []).map(({ provider, ...row }) => row),
          log: logOf.get(name) ?? [],
          booked: (bookedOf.get(name) ?? []).map(({ effect_key }) => effect_key)
        }))
      })
  })
  return { wait, left }
})
export type LookAside = Effect.Success<ReturnType<typeof makeLookAside>>
