import { Cause, Effect, Exit } from "effect"
import type postgres from "postgres"
import { KafkaFailed } from "../infra/kafka/KafkaFailed.ts"
import { databaseCodeOf } from "./attempt.ts"
import { type Entry, markDeadLettered } from "./Inbox.ts"
import { inTransaction } from "./Transaction.ts"

/** What came of putting a record into the dead-letter topic. */
export type LetterOutcome =
  | { readonly _tag: "Published" }
  /** Handled or dead-lettered before: nothing to do. */
  | { readonly _tag: "Known" }
  | { readonly _tag: "KafkaAway" }
  | { readonly _tag: "DatabaseAway"; readonly code: string }

const LIMIT_MS = 30_000

/**
 * Notes the dead letter and publishes it inside that transaction: the note never stands without the letter, and two
 * members do not publish at once. The letter can stand twice where a process dies in between.
 */
export const letterOf = (
  sql: postgres.Sql,
  entry: Entry,
  errorClass: string,
  publish: Effect.Effect<void, KafkaFailed>
): Effect.Effect<LetterOutcome> =>
  inTransaction(sql, LIMIT_MS, async ({ sql: tx, signal }): Promise<LetterOutcome> => {
    if (!(await markDeadLettered(tx, entry, errorClass))) return { _tag: "Known" }
    const exit = await Effect.runPromiseExit(publish, { signal })
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return { _tag: "Published" }
  }).pipe(
    Effect.catch((thrown) =>
      Effect.succeed<LetterOutcome>(
        thrown instanceof KafkaFailed
          ? { _tag: "KafkaAway" }
          : { _tag: "DatabaseAway", code: databaseCodeOf(thrown) }
      )
    )
  )
