import { Effect, Result } from "effect"
import type { Admin } from "kafkajs"
import { holdsNewest, replacedForGood } from "../kafka/Evidence.ts"
import { reachedOf, readEnds, readUnended } from "../kafka/TopicEnds.ts"
import type { TopicNames } from "../kafka/Topics.ts"
import { CheckpointRefused, judge, seemsBehind, transactionHangs } from "../kafka/Verdict.ts"
import type { Connection } from "../postgres/Database.ts"
import { isAheadOfServer, origin } from "../postgres/LogReader.ts"
import { type BatchId, read, type Standing } from "../postgres/RelayCheckpoint.ts"

/** Both halves of the checkpoint and what a relay would make of them. */
export interface Diagnosis extends Standing {
  readonly kafka: BatchId | undefined
  readonly clusterId: string
  /** Rows whose transaction ids are of another server. */
  readonly dumped: boolean
  /** Null: a relay would go on. */
  readonly refusal: { readonly reason: CheckpointRefused["reason"]; readonly explanation: string } | null
}

/**
 * What `settle` would say, without fencing anybody and without changing anything. `isMade`: the topics are there.
 * `unendedMs`: how long it waits for transactions to end; not given, it does not look.
 */
export const diagnose = Effect.fnUntraced(function* (
  connection: Connection,
  admin: Admin,
  names: TopicNames,
  found: { readonly clusterId: string; readonly kafka: BatchId | undefined; readonly isMade: boolean },
  unendedMs?: number
) {
  const standing = yield* read({ connection })
  const verdict = judge(standing, { clusterId: found.clusterId, last: found.kafka })
  const known = standing.open ?? standing.confirmed
  const dumped = yield* isAheadOfServer(connection, known?.place ?? origin)
  const refusal = yield* Effect.gen(function* () {
    // Until all is ended, Kafka's half of the checkpoint may be behind too.
    if (
      unendedMs !== undefined &&
      found.isMade &&
      (Result.isSuccess(verdict) || seemsBehind(verdict.failure))
    ) {
      const { size } = yield* readUnended(admin, names, unendedMs)
      if (size > 0) return transactionHangs(size)
    }
    if (Result.isFailure(verdict)) return verdict.failure
    const { success } = verdict
    if (dumped)
      return new CheckpointRefused({
        reason: "dump_of_other_server",
        explanation: "The log knows transaction ids that this PostgreSQL has not reached."
      })
    if (!found.isMade) return null
    const look = Effect.map(readEnds(admin, names), (ends) => reachedOf(ends, names))
    const reached = yield* look
    if (success._tag === "Begin" && reached.events + reached.outcomes > 0)
      return new CheckpointRefused({
        reason: "postgres_empty",
        explanation: "The topics hold records, and this database knows of no relay."
      })
    if (
      success._tag === "GoOn" &&
      success.recommit &&
      !(yield* holdsNewest(connection, admin, names, success.from.place))
    )
      return new CheckpointRefused({
        reason: "records_gone",
        explanation:
          "Kafka has forgotten the relay's offset, and does not hold the newest facts that were published."
      })
    if (known !== undefined) {
      const from = success._tag === "Remove" ? (standing.confirmed ?? known) : known
      const before = standing.confirmed?.reached
      const anew = yield* replacedForGood(connection, look, { ...from, before }, { looks: 5, everyMs: 100 })
      if (anew.length > 0)
        return new CheckpointRefused({
          reason: "records_gone",
          explanation: `${anew.map((topic) => names[topic]).join(" and ")} holds less than was published to it: it was deleted and made anew.`
        })
    }
    return null
  })
  return { ...standing, ...found, dumped, refusal } satisfies Diagnosis
})
