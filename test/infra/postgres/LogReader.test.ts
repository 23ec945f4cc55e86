import { Effect, ManagedRuntime } from "effect"
import postgres from "postgres"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type Connection, Database } from "../../../src/infra/postgres/Database.ts"
import * as LogReader from "../../../src/infra/postgres/LogReader.ts"
import * as Migrations from "../../../src/infra/postgres/Migrations.ts"
import { freshSchema } from "../../support/Services.ts"
import { countNumbers, NOTHING_WRONG } from "../kafka/Ledger.ts"
import { prepare, startWriters, writeBulk, writeOne } from "../kafka/LogWriter.ts"
import { databaseLayer } from "../kafka/Pace.ts"

const open = async () => {
  const { url } = await freshSchema()
  const sql = postgres(url, { max: 40, onnotice: () => {} })
  // One connection: the session must stay the one that was prepared.
  const runtime = ManagedRuntime.make(databaseLayer(url, 1))
  await runtime.runPromise(Migrations.migrate)
  const { claims } = await runtime.runPromise(Database)
  await runtime.runPromise(LogReader.prepareSession(claims))
  const next = (at: Parameters<typeof LogReader.next>[1], limit = 500) =>
    runtime.runPromise(LogReader.next(claims, at, limit))
  /** Everything from a place on, until the log has nothing more. */
  const drain = async (from: LogReader.Place, limit = 500) => {
    const rows: Array<LogReader.LogRow> = []
    let at = LogReader.startAt(from)
    let pages = 0
    while (true) {
      const page = await next(at, limit)
      rows.push(...page.rows)
      at = page.next
      pages += 1
      if (page.rows.length === 0 && !page.more) return { rows, place: page.done, pages }
    }
  }
  const isAhead = (place: LogReader.Place) => runtime.runPromise(LogReader.isAheadOfServer(claims, place))
  /** Rows that the statement `named` looks at and leaves, while a page is read from a place on. */
  const lookedAtInVain = async (place: LogReader.Place, named: string) => {
    let plan: string | undefined
    const watched: Connection = {
      ...claims,
      query: <Row extends object>(statement: string, text: string, parameters?: ReadonlyArray<unknown>) =>
        statement !== named
          ? claims.query<Row>(statement, text, parameters)
          : claims.query<{ "QUERY PLAN": string }>("explain", `EXPLAIN (ANALYZE) ${text}`, parameters).pipe(
              Effect.tap((lines) =>
                Effect.sync(() => (plan = lines.map((line) => line["QUERY PLAN"]).join("\n")))
              ),
              Effect.andThen(claims.query<Row>(statement, text, parameters))
            )
    }
    await runtime.runPromise(LogReader.next(watched, LogReader.startAt(place), 10))
    if (plan === undefined) throw new Error(`${named} was not asked`)
    return [...plan.matchAll(/Rows Removed by [^:]+: (\d+)/g)].reduce(
      (sum, [, rows]) => sum + Number(rows),
      0
    )
  }
  const close = () => Promise.all([runtime.dispose(), sql.end({ timeout: 2 })])
  return { sql, next, drain, isAhead, lookedAtInVain, close }
}

let log: Awaited<ReturnType<typeof open>>
beforeEach(async () => {
  log = await open()
})
afterEach(() => log.close())

const numbersOf = (rows: ReadonlyArray<LogReader.LogRow>) =>
  rows.flatMap(({ data, type }) => {
    if (type !== "BillingEventRecorded") return []
    const [, payment, n] = (data as { fact: { effect_key: string } }).fact.effect_key.split(":")
    return [{ payment: payment!, n: Number(n) }]
  })

it("reads everything from the beginning of the log, and only what a topic wants", async () => {
  await prepare(log.sql, 3)
  for (const payment of ["P1", "P2", "P3", "P1"]) await writeOne(log.sql, payment)

  const { rows } = await log.drain(LogReader.origin)

  expect(rows.map(({ type }) => type)).toEqual(
    Array.from({ length: 4 }, () => ["BillingEventRecorded", "Completed"]).flat()
  )
  expect(rows.map(({ position }) => position)).toEqual([2, 3, 5, 6, 8, 9, 11, 12])
  expect(rows[0]).toMatchObject({ provider: "paypal", dedup_key: "ev_P1", type_version: 1, trace: null })
  expect(rows[0]!.at).toBeInstanceOf(Date)
})

it("finds a transaction that was under way at the first start once it commits", async () => {
  await prepare(log.sql, 2)
  const late = await log.sql.reserve()
  await late`BEGIN`
  await late`INSERT INTO webhook_event_log (provider, dedup_key, version, type, data) VALUES ('paypal', 'late', 1, 'Quarantined', '{}')`
  await writeOne(log.sql, "P1")

  const first = await log.drain(LogReader.origin)
  await late`COMMIT`
  late.release()
  const second = await log.drain(first.place)

  expect(first.rows.map(({ dedup_key }) => dedup_key)).toEqual(["ev_P1", "ev_P1"])
  expect(second.rows.map(({ dedup_key, position }) => [dedup_key, position])).toEqual([["late", 1]])
})

it("loses nothing, doubles nothing and keeps each key's order under concurrent writers and a long transaction", async () => {
  await prepare(log.sql, 40)
  const writers = startWriters(log.sql, { writers: 24, keys: 39, stop: (written) => written >= 2500 })
  const long = writeOne(log.sql, "P40", { holdMs: 1200 })
  const bySnapshot: Array<{ payment: string; n: number }> = []
  const byPosition: Array<{ payment: string; n: number }> = []
  let at = LogReader.startAt(LogReader.origin)
  let position = 0
  let running = true
  const step = async () => {
    const page = await log.next(at, 100)
    at = page.next
    bySnapshot.push(...numbersOf(page.rows))
    // The control, in the same storm: a cursor over positions alone.
    const rows = await log.sql<Array<LogReader.LogRow>>`
      SELECT position, type, data FROM webhook_event_log WHERE position > ${position} ORDER BY position LIMIT 100`
    byPosition.push(...numbersOf(rows))
    position = Number(rows.at(-1)?.position ?? position)
    return page.rows.length > 0 || page.more || rows.length > 0
  }
  Promise.all([writers.done, long]).finally(() => {
    running = false
  })
  while (running) await step()
  while (await step()) {}

  expect(await countNumbers(log.sql, bySnapshot)).toEqual(NOTHING_WRONG)
  expect((await countNumbers(log.sql, byPosition)).lost).toBeGreaterThan(0)
})

it("pages a large difference by position and a small one by transaction id, to the same end", async () => {
  const late = await log.sql.reserve()
  await late`BEGIN`
  await late`INSERT INTO webhook_event_log (provider, dedup_key, version, type, data) VALUES ('paypal', 'late', 1, 'Quarantined', '{}')`
  await writeBulk(log.sql, 3, "A")
  const before = await log.drain(LogReader.origin)
  await writeBulk(log.sql, 30_000, "B")
  await late`COMMIT`
  late.release()

  const { rows, pages } = await log.drain(before.place, 2000)

  expect(before.rows.map(({ position }) => position)).toEqual([2, 3, 4, 5, 6, 7])
  expect(rows.map(({ position }) => position)).toEqual([
    1,
    ...Array.from({ length: 60_000 }, (_, i) => i + 8)
  ])
  expect(pages).toBeLessThan(40)
})

it("goes on in the middle of a difference after a restart, small or large", async () => {
  for (const payments of [100, 12_000]) {
    const start = await log.drain(LogReader.origin)
    await writeBulk(log.sql, payments, `C${payments}`)
    const first = await log.next(LogReader.startAt(start.place), 150)
    await writeBulk(log.sql, 5, `D${payments}`)

    const rest = await log.drain(first.done)

    expect(first.rows.length).toBe(150)
    const positions = [...first.rows, ...rest.rows].map(({ position }) => position)
    expect(positions).toEqual(Array.from({ length: payments * 2 + 10 }, (_, i) => positions[0]! + i))
  }
})

it("keeps the tail of a cut page, which a restart reads again", async () => {
  await writeBulk(log.sql, 10)
  const page = await log.next(LogReader.startAt(LogReader.origin))
  const [front, rest] = LogReader.cut(page, 7)

  const restarted = await log.drain(front.done)

  expect(front.rows.length).toBe(7)
  expect(rest.rows.map(({ position }) => position)).toEqual(Array.from({ length: 13 }, (_, i) => i + 8))
  expect(rest.done).toEqual(page.done)
  expect((await log.next(front.next)).rows).toEqual(rest.rows)
  expect(restarted.rows).toEqual(rest.rows)
})

it("has nothing to say about a log that does not move, and reads little for it", async () => {
  await writeBulk(log.sql, 20_000)
  await log.sql`ANALYZE webhook_event_log`
  const { place } = await log.drain(LogReader.origin, 2000)
  await writeBulk(log.sql, 1, "Z")

  const page = await log.next(LogReader.startAt(place))
  const idle = await log.next(page.next)

  expect(page.rows.map(({ position }) => position)).toEqual([40_001, 40_002])
  expect(idle).toMatchObject({ rows: [], more: false, next: { head: 40_002 } })
})

it("does not walk the log for late rows where a large difference has none", async () => {
  await writeBulk(log.sql, 20_000)
  const { place } = await log.drain(LogReader.origin, 2000)
  await writeBulk(log.sql, 10_000, "Y")
  await log.sql`ANALYZE webhook_event_log`

  expect(await log.lookedAtInVain(place, "relay.lowest_late")).toBe(0)
})

it("knows a log that was dumped from another server", async () => {
  await writeBulk(log.sql, 1)
  expect(await log.isAhead(LogReader.origin)).toBe(false)
  expect(
    await log.isAhead({ from: "9000000000:9000000000:", to: "9000000000:9000000000:", position: -1 })
  ).toBe(true)
  await log.sql`INSERT INTO webhook_event_log (xid, provider, dedup_key, version, type, data)
                VALUES ('9000000000', 'paypal', 'k', 1, 'Quarantined', '{}')`
  expect(await log.isAhead(LogReader.origin)).toBe(true)
})
