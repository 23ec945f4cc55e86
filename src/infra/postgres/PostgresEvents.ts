import { Effect, Layer } from "effect"
import type { EventName } from "../../domain/Events.ts"
import { type Act, ActRefused, CursorInvalid, EventMissing, Events, MAX_PAGE } from "../../domain/Events.ts"
import { LocalRelay } from "../../domain/GateStatus.ts"
import { StoreUnavailable } from "../../domain/GateStore.ts"
import { unhurried } from "../../domain/unhurried.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { dismissRow } from "./dismissStatement.ts"
import { LogSignal } from "./LogSignal.ts"
import { type ListPlace, listRows } from "./listStatement.ts"
import { readStatus } from "./readStatus.ts"
import {
  type ActResult,
  countRows,
  matchingNames,
  type NameRow,
  redriveRow,
  redriveRows
} from "./redriveStatement.ts"
import { showRow } from "./showStatement.ts"
import { recentClaimRows } from "./statusStatement.ts"

/** Rows of one commit of a bulk act. */
const BATCH = 50
/** Rows of one run of a bulk act: one look at the open rows serves so many batches. */
const RUN = 10_000

const unavailable = <A, E, R>(self: Effect.Effect<A, E | DatabaseError, R>) =>
  Effect.catchIf(
    self,
    (error): error is Extract<E | DatabaseError, DatabaseError> =>
      (error as { _tag?: unknown })._tag === "DatabaseError",
    (error) => Effect.fail(new StoreUnavailable({ code: (error as DatabaseError).code }))
  )

/** A statement that met a row changed under its hands is sent again: at most so often, then the database is in trouble. */
const repeated = <A>(self: Effect.Effect<A, DatabaseError>) =>
  Effect.retry(self, { while: ({ fate }) => fate === "repeat", times: 20 })

const encode = (parts: ReadonlyArray<string>) => Buffer.from(JSON.stringify(parts)).toString("base64url")
const decode = Effect.fnUntraced(function* (
  cursor: string,
  valid: (first: string, second: string) => boolean
) {
  const parts = yield* Effect.try({
    try: () => JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) as unknown,
    catch: () => new CursorInvalid()
  })
  const [first, second] = Array.isArray(parts) ? (parts as ReadonlyArray<unknown>) : []
  return typeof first === "string" && typeof second === "string" && valid(first, second)
    ? ([first, second] as const)
    : yield* new CursorInvalid()
})
/** A place in a list, within what the database can hold. */
const isPlace = (micros: string, id: string) =>
  /^-?\d{1,18}$/.test(micros) && Math.abs(Number(micros)) < 1e17 && /^\d{1,18}$/.test(id)
const isText = (text: string) => !text.includes("\0")

const make = Effect.gen(function* () {
  const database = yield* Database
  const { claims } = database
  const signal = yield* LogSignal
  const raised = <A, E>(self: Effect.Effect<A, E>) => Effect.tap(self, () => Effect.sync(signal.raise))

  const act = (
    kind: "redrive" | "dismiss",
    run: (name: NameRow, by: Act) => Effect.Effect<ActResult, DatabaseError>
  ) =>
    Effect.fn(`Events.${kind}`)(function* ({ dedupKey, endpoint }: EventName, by: Act) {
      const result = yield* unavailable(
        raised(repeated(run({ provider: endpoint, dedup_key: dedupKey }, by)))
      )
      if (result === "missing") return yield* new EventMissing({ endpoint, dedupKey })
      if (result !== "acted") return yield* new ActRefused({ act: kind, state: result })
    })

  return Events.of({
    list: Effect.fn("Events.list")(function* (filter, { cursor, limit }) {
      const wanted = Math.max(1, Math.min(limit, MAX_PAGE))
      let after: ListPlace | undefined
      if (cursor !== undefined) {
        const [micros, id] = yield* decode(cursor, isPlace)
        after = { micros, id }
      }
      const { events, last } = yield* unavailable(listRows(claims, filter, wanted, after))
      const full = last !== undefined && events.length === wanted
      return { events, cursor: full ? encode([last.micros, last.id]) : null }
    }),
    show: Effect.fn("Events.show")(function* (name) {
      const found = yield* unavailable(showRow(claims, name))
      return found ?? (yield* new EventMissing(name))
    }),
    redrive: act("redrive", (name, by) => redriveRow(claims, name, by)),
    dismiss: act("dismiss", (name, by) => dismissRow(claims, name, by)),
    count: Effect.fn("Events.count")((filter) => unavailable(countRows(claims, filter))),
    redriveMany: Effect.fn("Events.redriveMany")(function* (filter, by, cursor) {
      let after: NameRow | undefined
      if (cursor !== undefined) {
        const [provider, dedup_key] = yield* decode(
          cursor,
          (first, second) => isText(first) && isText(second)
        )
        after = { provider, dedup_key }
      }
      const names = yield* unavailable(matchingNames(claims, filter, after, RUN))
      let redriven = 0
      for (let at = 0; at < names.length; at += BATCH) {
        const batch = names.slice(at, at + BATCH)
        redriven += yield* unhurried(
          unavailable(raised(repeated(redriveRows(claims, filter.state, batch, by))))
        )
      }
      const last = names.length === RUN ? names.at(-1) : undefined
      return {
        redriven,
        skipped: names.length - redriven,
        cursor: last === undefined ? null : encode([last.provider, last.dedup_key])
      }
    }),
    status: unavailable(readStatus(claims, yield* LocalRelay)),
    recentClaims: unavailable(recentClaimRows(claims))
  })
})

/** What people see and do, on PostgreSQL. Needs no key of encryption: no body is opened here. */
export const layer = Layer.effect(Events, make)
