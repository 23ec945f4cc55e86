import { Effect, Layer } from "effect"
import { DedupKey } from "../../domain/DedupKey.ts"
import type { Endpoint } from "../../domain/Endpoint.ts"
import { failpoint } from "../../domain/Failpoint.ts"
import { Fence } from "../../domain/Fence.ts"
import {
  AnswerOutdated,
  type Claim,
  ClaimLost,
  type DueEvent,
  EffectConflict,
  type Failure,
  GateStore,
  type Lane,
  StoreRejected,
  StoreUnavailable
} from "../../domain/GateStore.ts"
import { Policy } from "../../domain/Policy.ts"
import type { Interpretation } from "../../domain/Provider.ts"
import { Custody } from "../crypto/Custody.ts"
import { makeClaim } from "./claim.ts"
import {
  type CompleteResult,
  type CompleteRow,
  completeRows,
  effectNames,
  factRows,
  stateRow
} from "./completeStatement.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { type FailResult, type FailRow, failRows, renewRows } from "./failStatement.ts"
import * as Grouping from "./Grouping.ts"
import { LogSignal } from "./LogSignal.ts"
import { takeRows } from "./takeStatement.ts"

const unavailable = (error: DatabaseError) => new StoreUnavailable({ code: error.code })

const make = Effect.gen(function* () {
  const { completions } = yield* Database
  const custody = yield* Custody
  const policy = yield* Policy
  const signal = yield* LogSignal
  const committed = <A, E>(self: Effect.Effect<A, E>) => Effect.tap(self, () => Effect.sync(signal.raise))

  const claim = yield* makeClaim(committed)

  const submitComplete = yield* Grouping.make<CompleteRow, CompleteResult>({
    name: "complete",
    maxRows: Grouping.MAX_ROWS,
    inFlight: Grouping.IN_FLIGHT,
    exclusive: (row) => [
      Grouping.rowName(row.provider, row.dedupKey),
      ...effectNames(row.provider, row.facts),
      // A statement writes the state of a thing once, and what it books shows to the next one only.
      ...(row.state === null ? [] : [`${row.provider}\tof ${row.state.object}`])
    ],
    run: (rows) =>
      failpoint("complete.before").pipe(
        Effect.andThen(completeRows(completions, rows)),
        Effect.tap(() => failpoint("complete.after"))
      )
  })
  const complete = Effect.fnUntraced(function* (claim: Claim, interpretation: Interpretation) {
    const { eventType, facts, note } = interpretation
    const row: CompleteRow = {
      provider: claim.endpoint.name,
      dedupKey: claim.dedupKey,
      fence: claim.fence,
      eventType,
      note,
      trace: claim.trace,
      facts: factRows(interpretation),
      state: stateRow(interpretation)
    }
    const result = yield* Effect.mapError(committed(submitComplete(row)), (error) =>
      error.fate === "data" ? new StoreRejected({ code: error.code }) : unavailable(error)
    )
    if (result === "stale") return yield* new ClaimLost()
    if (result === "outdated") return yield* new AnswerOutdated()
    if (result === "conflict")
      return yield* new EffectConflict({ effectKeys: facts.map(({ fact }) => fact.effect_key) })
  })

  const submitFail = yield* Grouping.make<FailRow, FailResult>({
    name: "fail",
    maxRows: Grouping.MAX_ROWS,
    inFlight: 1,
    exclusive: (row) => [Grouping.rowName(row.provider, row.dedupKey)],
    run: (rows) =>
      failpoint("fail.before").pipe(
        Effect.andThen(failRows(completions, rows, policy.maxAttempts)),
        Effect.tap(() => failpoint("fail.after"))
      )
  })
  const end = Effect.fnUntraced(function* (claim: Claim, failure: Failure, released: boolean) {
    const result = yield* committed(
      submitFail({
        provider: claim.endpoint.name,
        dedupKey: claim.dedupKey,
        fence: claim.fence,
        code: failure.code,
        permanent: failure.kind === "permanent",
        // A storm of copies of a failing event must not park it.
        counted: failure.kind === "event" && claim.because !== "redelivered",
        delayMs: failure.delayMs,
        effectKeys: failure.effectKeys ?? [],
        released,
        trace: claim.trace
      })
    ).pipe(Effect.mapError(unavailable))
    return result === "stale" ? yield* new ClaimLost() : result
  })

  const submitRenew = yield* Grouping.make<Claim, boolean>({
    name: "renew",
    maxRows: 1000,
    inFlight: 1,
    exclusive: (claim) => [Grouping.rowName(claim.endpoint.name, claim.dedupKey)],
    run: (claimed) =>
      renewRows(
        completions,
        claimed.map(({ endpoint, dedupKey, fence }) => ({ provider: endpoint.name, dedupKey, fence })),
        policy.leaseMs
      )
  })
  const renew = Effect.fnUntraced(function* (claim: Claim) {
    yield* failpoint("renew.before")
    if (!(yield* Effect.mapError(submitRenew(claim), unavailable))) return yield* new ClaimLost()
  })

  const take = Effect.fnUntraced(
    function* (endpoint: Endpoint, lane: Lane, limit: number) {
      yield* failpoint("take.before")
      const { taken, parked } = yield* takeRows(completions, lane, endpoint.name, limit, policy)
      if (taken.length + parked > 0) {
        yield* failpoint("take.after")
        signal.raise()
      }
      const due = yield* Effect.forEach(taken, (row) => {
        const dedupKey = DedupKey.make(row.dedup_key)
        const { because, failures, trace } = row
        const claim: Claim = { endpoint, dedupKey, fence: Fence.make(row.fence), because, failures, trace }
        if (row.sealed === null || row.key_id === null)
          return Effect.succeed<DueEvent>({ claim, body: "no_custody" })
        return custody.open(endpoint.name, row.dedup_key, { keyId: row.key_id, bytes: row.sealed }).pipe(
          Effect.catchTags({
            MasterKeyMissing: () => Effect.succeed("master_key_missing" as const),
            CustodyBroken: () => Effect.succeed("custody_broken" as const)
          }),
          Effect.map((body): DueEvent => ({ claim, body }))
        )
      })
      return { due, parked }
    },
    (self) => Effect.catchTag(self, "DatabaseError", (error) => Effect.fail(unavailable(error)))
  )

  return GateStore.of({
    claim,
    take,
    complete,
    fail: (claim, failure) => end(claim, failure, false),
    renew,
    release: (claim) => Effect.asVoid(end(claim, { kind: "world", code: "shutdown", delayMs: 0 }, true))
  })
})

/** The gate's store on PostgreSQL, with statements in groups. */
export const layer = Layer.effect(GateStore, make)
