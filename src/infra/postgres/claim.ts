import { randomUUID } from "node:crypto"
import { Effect } from "effect"
import { alarm } from "../../domain/Alarm.ts"
import { type DedupKey, ofConflict } from "../../domain/DedupKey.ts"
import { failpoint } from "../../domain/Failpoint.ts"
import { Fence } from "../../domain/Fence.ts"
import type { DuplicateState } from "../../domain/GateEvent.ts"
import { type ClaimAnswer, type ClaimRequest, StoreUnavailable } from "../../domain/GateStore.ts"
import { Policy } from "../../domain/Policy.ts"
import type { Identity } from "../../domain/Provider.ts"
import { Custody } from "../crypto/Custody.ts"
import { apart, type Unknown } from "./apart.ts"
import { type ClaimResult as ClaimedAs, type ClaimRow, claimRows, type Proof } from "./claimStatement.ts"
import { effectNames, factRows } from "./completeStatement.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import * as Grouping from "./Grouping.ts"
import { type ReclaimResult, reclaimRows } from "./reclaimStatement.ts"
import * as SettledBodies from "./SettledBodies.ts"

/** Deliveries of one body under one key and transmission that wait for the same statement: one row speaks for all. */
interface Waiting {
  readonly request: ClaimRequest
  readonly dedupKey: DedupKey
  readonly kind: ClaimRow["kind"]
  readonly token: string
  readonly proven: Proof | null
  count: number
}

type ClaimResult =
  | ReclaimResult
  | { readonly result: "forged" }
  /** The first statement was committed for others of the group; for this row the second one failed. */
  | Unknown

/** Facts that depend on others, or that others may take back, go the longer way. */
const proofOf = ({ proven }: Identity): Proof | null =>
  proven === undefined ||
  proven.stateOf !== undefined ||
  proven.facts.some(({ onlyAfter }) => onlyAfter !== undefined)
    ? null
    : { note: proven.note, facts: factRows(proven) }

const NO_BODY = { keyId: "", bytes: Buffer.alloc(0) }

/** Claims in groups: deliveries that wait together share statements, identical ones share a row. */
export const makeClaim = Effect.fnUntraced(function* (
  committed: <A, E>(self: Effect.Effect<A, E>) => Effect.Effect<A, E>
) {
  const { awaited } = yield* Database
  const custody = yield* Custody
  const policy = yield* Policy
  const waitingRows = new Map<
    string,
    { waiting: Waiting; answer: Effect.Effect<ClaimResult, DatabaseError> }
  >()
  const nameOf = ({ delivery, identity }: ClaimRequest, dedupKey: string) =>
    `${Grouping.rowName(delivery.endpoint.name, dedupKey)}\n${delivery.hash}\n${identity.transmission?.id ?? ""}`

  const settledBodies = SettledBodies.make()
  const claimRow = ({ request, dedupKey, kind, proven, token }: Waiting, mayBeCopy: boolean): ClaimRow => {
    const { delivery, identity, trace } = request
    const copy = mayBeCopy && kind === "claim" && settledBodies.has(delivery.hash)
    const sealed = copy ? NO_BODY : custody.seal(delivery.endpoint.name, dedupKey, delivery.body)
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
      transmission: identity.transmission,
      proven: copy ? null : proven,
      copy
    }
  }

  const reclaim = apart((items: ReadonlyArray<{ readonly row: ClaimRow; readonly count: number }>) =>
    reclaimRows(
      awaited,
      items.map(({ row }) => row),
      items.map(({ count }) => count),
      { leaseMs: policy.leaseMs, maxAttempts: policy.maxAttempts, redeliveryIntervalMs: policy.backoffBaseMs }
    )
  )

  const claimGroup = Effect.fnUntraced(function* (
    items: ReadonlyArray<Waiting>,
    mayBeCopies: boolean
  ): Effect.fn.Return<ReadonlyArray<ClaimResult>, DatabaseError> {
    const rows = items.map((item) => claimRow(item, mayBeCopies))
    const counts = items.map(({ count }) => count)
    const first = yield* claimRows(awaited, rows, counts, policy.leaseMs).pipe(
      // Facts that the database refuses must not cost the claim: what processing makes of them is recorded.
      Effect.catchIf(
        ({ fate }) => fate === "data" && rows.length === 1 && rows[0]!.proven !== null,
        () => claimRows(awaited, [{ ...rows[0]!, proven: null }], counts, policy.leaseMs)
      )
    )
    const those = (result: ClaimedAs) => first.flatMap((met, index) => (met === result ? [index] : []))
    const taken = those("taken")
    const unsettled = those("unsettled")
    for (const index of unsettled) settledBodies.forget(rows[index]!.requestHash)
    // Beside each other, so that nobody waits for more than one silence after the first statement.
    const [reclaimed, claimed] = yield* Effect.all(
      [
        reclaim(taken.map((index) => ({ row: rows[index]!, count: counts[index]! }))),
        claimUnsettled(unsettled.map((index) => items[index]!))
      ],
      { concurrency: 2 }
    )
    const later = new Map([
      ...taken.map((index, at) => [index, reclaimed[at]!] as const),
      ...unsettled.map((index, at) => [index, claimed[at]!] as const)
    ])
    return first.map((result, index): ClaimResult => {
      const { kind, requestHash } = rows[index]!
      const met = later.get(index)
      if (result === "completed" || (met?.result === "duplicate" && met.state === "done"))
        settledBodies.add(requestHash)
      if (met !== undefined) return met
      switch (result) {
        case "settled":
          return { result: "duplicate", state: "done", spent: null }
        case "forged":
        case "completed":
          return { result }
        default:
          return kind === "claim"
            ? { result: "claimed", fence: 1, because: "first", failures: 0 }
            : { result: kind === "quarantine" ? "quarantined" : "conflict" }
      }
    })
  })

  const claimUnsettled = apart((items: ReadonlyArray<Waiting>) => claimGroup(items, false))

  const submitClaim = yield* Grouping.make<Waiting, ClaimResult>({
    name: "claim",
    maxRows: Grouping.MAX_ROWS,
    inFlight: Grouping.IN_FLIGHT,
    failsInSilence: true,
    exclusive: ({ request: { delivery, identity }, dedupKey, proven }) => {
      const { transmission } = identity
      const { name } = delivery.endpoint
      return [
        Grouping.rowName(name, dedupKey),
        ...(transmission === null ? [] : [`${name}\t${transmission.id}\t${transmission.crc32}`]),
        ...effectNames(name, proven?.facts ?? [])
      ]
    },
    run: (items) => {
      // From here on nobody may join: the counts go into the statement.
      for (const { request, dedupKey } of items) waitingRows.delete(nameOf(request, dedupKey))
      return failpoint("claim.before").pipe(
        Effect.andThen(claimGroup(items, true)),
        Effect.tap(() => failpoint("claim.after"))
      )
    }
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
      const proven = kind === "claim" ? proofOf(request.identity) : null
      const waiting: Waiting = { request, dedupKey, kind, token: randomUUID(), proven, count: 1 }
      const shared = Promise.withResolvers<Effect.Effect<ClaimResult, DatabaseError>>()
      waitingRows.set(name, { waiting, answer: Effect.flatten(Effect.promise(() => shared.promise)) })
      return committed(submitClaim(waiting)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            // Given up before its statement: whoever comes next begins anew.
            if (waitingRows.get(name)?.waiting === waiting) waitingRows.delete(name)
            shared.resolve(exit)
          })
        ),
        Effect.map((result) => ({ result, twin: false }))
      )
    })

  return Effect.fnUntraced(
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
      /** What the first of these deliveries is told; the others of its group meet what it left. */
      const once = (state: DuplicateState, first: ClaimAnswer): ClaimAnswer =>
        twin ? { _tag: "Duplicate", state } : first
      switch (result.result) {
        case "forged":
          return { _tag: "Forged" } satisfies ClaimAnswer
        case "quarantined":
          return once("quarantined", { _tag: "Quarantined" })
        case "conflict":
          return once("conflict", { _tag: "Conflict" })
        case "duplicate":
          if (result.spent === true && !twin)
            yield* alarm("attempts_exhausted", "an event was parked: its attempts are spent", {
              provider: delivery.endpoint.name
            })
          return { _tag: "Duplicate", state: result.state } satisfies ClaimAnswer
        case "completed":
          return once("done", { _tag: "Completed" })
        case "claimed":
          return once("processing", {
            _tag: "Claimed",
            claim: {
              endpoint: delivery.endpoint,
              dedupKey: identity.dedupKey,
              fence: Fence.make(result.fence),
              because: result.because,
              failures: result.failures,
              trace: request.trace
            }
          })
        case "unknown":
          return yield* new StoreUnavailable({ code: result.error.code })
        default:
          // Purged between two statements, or a conflict within a conflict: the provider comes again.
          return yield* new StoreUnavailable({ code: "PURGED" })
      }
    },
    (self) =>
      Effect.catchTag(self, "DatabaseError", (error) =>
        Effect.fail(new StoreUnavailable({ code: error.code }))
      )
  )
})
