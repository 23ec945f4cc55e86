import { randomUUID } from "node:crypto"
import { Effect, Layer } from "effect"
import { digestText } from "../../domain/BillingFact.ts"
import { DedupKey, ofConflict } from "../../domain/DedupKey.ts"
import type { Endpoint } from "../../domain/Endpoint.ts"
import { failpoint } from "../../domain/Failpoint.ts"
import { Fence } from "../../domain/Fence.ts"
import {
  type Claim,
  type ClaimAnswer,
  ClaimLost,
  type ClaimRequest,
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
import { type ClaimRow, claimRows } from "./claimStatement.ts"
import { type CompleteResult, type CompleteRow, completeRows } from "./completeStatement.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { type FailResult, type FailRow, failRows, renewRows } from "./failStatement.ts"
import * as Grouping from "./Grouping.ts"
import { LogSignal } from "./LogSignal.ts"
import { type ReclaimResult, reclaimRows } from "./reclaimStatement.ts"
import { takeRows } from "./takeStatement.ts"

/** Size of a group and statements in flight: measured in docs/adr. */
const MAX_ROWS = 200
const IN_FLIGHT = 2

/** Deliveries of one body under one key and transmission that wait for the same statement: one row speaks for all. */
interface Waiting {
  readonly request: ClaimRequest
  readonly dedupKey: DedupKey
  readonly kind: ClaimRow["kind"]
  readonly token: string
  count: number
}

type ClaimResult = ReclaimResult | { readonly result: "forged" | "quarantined" | "conflict" }

const unavailable = (error: DatabaseError) => new StoreUnavailable({ code: error.code })
const rowName = (provider: string, dedupKey: string) => `${provider}\n${dedupKey}`

const make = Effect.gen(function* () {
  const { claims, completions } = yield* Database
  const custody = yield* Custody
  const policy = yield* Policy
  const signal = yield* LogSignal
  const committed = <A, E>(self: Effect.Effect<A, E>) => Effect.tap(self, () => Effect.sync(signal.raise))

  const waitingRows = new Map<
    string,
    { waiting: Waiting; answer: Effect.Effect<ClaimResult, DatabaseError> }
  >()
  const nameOf = ({ delivery, identity }: ClaimRequest, dedupKey: string) =>
    `${rowName(delivery.endpoint.name, dedupKey)}\n${delivery.hash}\n${identity.transmission?.id ?? ""}`

  const claimRow = ({ request, dedupKey, kind, token }: Waiting): ClaimRow => {
    const { delivery, identity, trace } = request
    const sealed = custody.seal(delivery.endpoint.name, dedupKey, delivery.body)
    return {
      provider: delivery.endpoint.name,
      dedupKey,
      requestHash: delivery.hash,
      token,
      eventType: identity.eventType,
      trace,
      keyId: sealed.keyId,
      sealed: sealed.bytes,
      kind,
      original: kind === "conflict" ? identity.dedupKey : null,
      transmission: identity.transmission
    }
  }

  const submitClaim = yield* Grouping.make<Waiting, ClaimResult>({
    maxRows: MAX_ROWS,
    inFlight: IN_FLIGHT,
    exclusive: ({ request: { delivery, identity }, dedupKey }) => {
      const { transmission } = identity
      const row = rowName(delivery.endpoint.name, dedupKey)
      return transmission === null
        ? [row]
        : [row, `${delivery.endpoint.name}\t${transmission.id}\t${transmission.crc32}`]
    },
    run: Effect.fnUntraced(function* (items) {
      // From here on nobody may join: the counts go into the statement.
      for (const { request, dedupKey } of items) waitingRows.delete(nameOf(request, dedupKey))
      const rows = items.map(claimRow)
      const counts = items.map(({ count }) => count)
      yield* failpoint("claim.before")
      const first = yield* claimRows(claims, rows, counts, policy.leaseMs)
      const taken = first.flatMap((result, index) => (result === "taken" ? [index] : []))
      const second =
        taken.length === 0
          ? []
          : yield* reclaimRows(
              claims,
              taken.map((index) => rows[index]!),
              taken.map((index) => counts[index]!),
              {
                leaseMs: policy.leaseMs,
                maxAttempts: policy.maxAttempts,
                redeliveryIntervalMs: policy.backoffBaseMs
              }
            )
      yield* failpoint("claim.after")
      const answers = new Map(taken.map((index, at) => [index, second[at]!]))
      return first.map((result, index): ClaimResult => {
        if (result === "forged") return { result }
        if (result === "taken") return answers.get(index)!
        return rows[index]!.kind === "claim"
          ? { result: "claimed", fence: 1, because: "first", failures: 0 }
          : rows[index]!.kind === "quarantine"
            ? { result: "quarantined" }
            : { result: "conflict" }
      })
    })
  })

  /** Joins deliveries that wait already, or waits as the first of its kind; the second value tells which. */
  const claimResult = (request: ClaimRequest, dedupKey: DedupKey, kind: ClaimRow["kind"]) =>
    Effect.suspend(() => {
      const name = nameOf(request, dedupKey)
      const present = waitingRows.get(name)
      if (present !== undefined) {
        present.waiting.count += 1
        return Effect.map(present.answer, (result) => ({ result, twin: true }))
      }
      const waiting: Waiting = { request, dedupKey, kind, token: randomUUID(), count: 1 }
      const shared = Promise.withResolvers<Effect.Effect<ClaimResult, DatabaseError>>()
      waitingRows.set(name, { waiting, answer: Effect.flatten(Effect.promise(() => shared.promise)) })
      return committed(submitClaim(waiting)).pipe(
        Effect.onExit((exit) => Effect.sync(() => shared.resolve(exit))),
        Effect.map((result) => ({ result, twin: false }))
      )
    })

  const claim = Effect.fnUntraced(
    function* (request: ClaimRequest) {
      const { delivery, identity } = request
      let { result, twin } = yield* claimResult(
        request,
        identity.dedupKey,
        identity.quarantine ? "quarantine" : "claim"
      )
      // Same key, other body: kept under a key of its own, for a person.
      if (result.result === "mismatch")
        ({ result, twin } = yield* claimResult(
          request,
          ofConflict(identity.dedupKey, delivery.hash),
          "conflict"
        ))
      switch (result.result) {
        case "forged":
          return { _tag: "Forged" } satisfies ClaimAnswer
        case "quarantined":
          return twin
            ? ({ _tag: "Duplicate", state: "quarantined" } satisfies ClaimAnswer)
            : ({ _tag: "Quarantined" } satisfies ClaimAnswer)
        case "conflict":
          return twin
            ? ({ _tag: "Duplicate", state: "conflict" } satisfies ClaimAnswer)
            : ({ _tag: "Conflict" } satisfies ClaimAnswer)
        case "duplicate":
          return { _tag: "Duplicate", state: result.state } satisfies ClaimAnswer
        case "claimed":
          return twin
            ? ({ _tag: "Duplicate", state: "processing" } satisfies ClaimAnswer)
            : ({
                _tag: "Claimed",
                claim: {
                  endpoint: delivery.endpoint,
                  dedupKey: identity.dedupKey,
                  fence: Fence.make(result.fence),
                  because: result.because,
                  failures: result.failures,
                  trace: request.trace
                }
              } satisfies ClaimAnswer)
        default:
          // Purged between two statements, or a conflict within a conflict: the provider comes again.
          return yield* new StoreUnavailable({ code: "PURGED" })
      }
    },
    (self) => Effect.catchTag(self, "DatabaseError", (error) => Effect.fail(unavailable(error)))
  )

  const submitComplete = yield* Grouping.make<CompleteRow, CompleteResult>({
    maxRows: MAX_ROWS,
    inFlight: IN_FLIGHT,
    exclusive: (row) => [
      rowName(row.provider, row.dedupKey),
      ...row.facts.map(({ effectKey }) => `${row.provider}\t${effectKey}`)
    ],
    run: (rows) =>
      failpoint("complete.before").pipe(
        Effect.andThen(completeRows(completions, rows)),
        Effect.tap(() => failpoint("complete.after"))
      )
  })
  const complete = Effect.fnUntraced(function* (claim: Claim, { eventType, facts, note }: Interpretation) {
    const row: CompleteRow = {
      provider: claim.endpoint.name,
      dedupKey: claim.dedupKey,
      fence: claim.fence,
      eventType,
      note,
      trace: claim.trace,
      facts: facts.map(({ fact, onlyAfter }) => ({
        effectKey: fact.effect_key,
        digest: digestText(fact),
        onlyAfter: onlyAfter ?? null,
        data: JSON.stringify(fact)
      }))
    }
    const result = yield* Effect.mapError(committed(submitComplete(row)), (error) =>
      error.fate === "data" ? new StoreRejected({ code: error.code }) : unavailable(error)
    )
    if (result === "stale") return yield* new ClaimLost()
    if (result === "conflict")
      return yield* new EffectConflict({ effectKeys: facts.map(({ fact }) => fact.effect_key) })
  })

  const submitFail = yield* Grouping.make<FailRow, FailResult>({
    maxRows: MAX_ROWS,
    inFlight: 1,
    exclusive: (row) => [rowName(row.provider, row.dedupKey)],
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
    maxRows: 1000,
    inFlight: 1,
    exclusive: (claim) => [rowName(claim.endpoint.name, claim.dedupKey)],
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
