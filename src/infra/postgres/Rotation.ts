import { Effect, Result } from "effect"
import { unhurried } from "../../domain/unhurried.ts"
import { Custody } from "../crypto/Custody.ts"
import { Database } from "./Database.ts"
import {
  countBodies,
  nextBodies,
  type ResealedRow,
  replaceBodies,
  type SealedRow
} from "./rotateStatements.ts"

export interface RotationSummary {
  /** Bodies that were looked at. */
  readonly seen: number
  /** Sealed anew under the first key. */
  readonly rotated: number
  /** Purged, or replaced by another body, while we worked. */
  readonly gone: number
  /** By id of the master key that is not configured: these wait until it is. */
  readonly missing: Readonly<Record<string, number>>
  /** What is stored does not open under its own key. */
  readonly broken: number
}

/**
 * Seals every stored body anew under the first master key, batch by batch, while the gate works. Run again, it goes over
 * what is done already without writing; broken off anywhere, nothing is half done.
 */
export const rotate = Effect.fnUntraced(function* (
  keyId: string,
  onProgress: (done: RotationSummary) => void
) {
  const { claims } = yield* Database
  const custody = yield* Custody
  const missing: Record<string, number> = {}
  let done = { seen: 0, rotated: 0, gone: 0, broken: 0 }
  let after: SealedRow | undefined
  while (true) {
    const { more, rows } = yield* unhurried(nextBodies(claims, keyId, after))
    const resealed: Array<ResealedRow> = []
    for (const row of rows) {
      const { dedup_key, key_id, provider, sealed } = row
      if (sealed === null) continue
      const opened = yield* Effect.result(custody.open(provider, dedup_key, { keyId: key_id, bytes: sealed }))
      if (Result.isSuccess(opened))
        resealed.push({ ...row, sealed, bytes: custody.seal(provider, dedup_key, opened.success).bytes })
      else if (opened.failure._tag === "MasterKeyMissing") missing[key_id] = (missing[key_id] ?? 0) + 1
      else done = { ...done, broken: done.broken + 1 }
    }
    const replaced = resealed.length === 0 ? 0 : yield* unhurried(replaceBodies(claims, keyId, resealed))
    done = {
      ...done,
      seen: done.seen + rows.length,
      rotated: done.rotated + replaced,
      gone: done.gone + resealed.length - replaced
    }
    onProgress({ ...done, missing })
    if (!more) return { ...done, missing } satisfies RotationSummary
    after = rows.at(-1)
  }
})

/** How many bodies are under which key. */
export const status = Effect.scoped(
  Effect.gen(function* () {
    const { session } = yield* Database
    const connection = yield* session("keys status", 2 ** 31 - 1)
    yield* connection.script("keys session", "SET statement_timeout = 0")
    return yield* countBodies(connection)
  })
)
