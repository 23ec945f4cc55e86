import { Schema } from "effect"
import type { RequestHash } from "./RequestHash.ts"

/**
 * Identity of a provider's event within its endpoint: printable ASCII, at most 255 bytes, case kept.
 * Longer keys would not fit an index row of Postgres and fail for ever.
 */
export const DedupKey = Schema.String.check(Schema.isPattern(/^[!-~]{1,255}$/u)).pipe(
  Schema.brand("DedupKey")
)
export type DedupKey = typeof DedupKey.Type

/** Room is left for the suffix of a conflict. */
const IDENTIFIER = /^[!-~]{1,200}$/u

/**
 * The key made of a prefix and the provider's own identifiers, or undefined where one of them cannot be part of a
 * key (empty, too long, not printable ASCII, or no string at all).
 */
export const fromParts = (prefix: "ev" | "tx" | "pkey" | "dep", ...parts: ReadonlyArray<unknown>) => {
  const text = parts.map((part) => (typeof part === "string" ? part : "")).join(":")
  return parts.every((part) => typeof part === "string" && part.length > 0) && IDENTIFIER.test(text)
    ? DedupKey.make(`${prefix}_${text}`)
    : undefined
}

/** Key of a verified body that is no JSON object; it is quarantined under it. */
export const ofRawBody = (hash: RequestHash) => DedupKey.make(`raw_${hash}`)

/** Key of a second body that came under a key already taken by another body. */
export const ofConflict = (key: DedupKey, hash: RequestHash) => DedupKey.make(`${key}~${hash.slice(0, 16)}`)
