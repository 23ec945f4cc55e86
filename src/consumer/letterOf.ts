import { Cause, Effect, Exit } from "effect"
import type postgres from "postgres"
import { KafkaFailed } from "../infra/kafka/KafkaFailed.ts"
import { type Entry, markDeadLettered } from "./Inbox.ts"

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
  Effect.callback<LetterOutcome>((resume) => {
    const controller = new AbortController()
    const end = (outcome: LetterOutcome) => {
      clearTimeout(timer)
      resume(Effect.succeed(outcome))
    }
    const timer = setTimeout(() => {
      controller.abort()
      end({ _tag: "DatabaseAway", code: "CLIENT_TIMEOUT" })
    }, LIMIT_MS)
    sql
      .begin(async (tx): Promise<LetterOutcome> => {
        if (!(await markDeadLettered(tx, entry, errorClass))) return { _tag: "Known" }
        const exit = await Effect.runPromiseExit(publish, { signal: controller.signal })
        if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
        return { _tag: "Published" }
      })
      .then(
        (outcome) => end(outcome as LetterOutcome),
        (thrown: unknown) => {
          const { code } = (thrown ?? {}) as { readonly code?: unknown }
          end(
            thrown instanceof KafkaFailed
              ? { _tag: "KafkaAway" }
              : { _tag: "DatabaseAway", code: typeof code === "string" ? code : "UNKNOWN" }
          )
        }
      )
    return Effect.sync(() => {
      clearTimeout(timer)
      controller.abort()
    })
  })
