import { Effect } from "effect"
import type { Connection } from "./Database.ts"

/** Bodies that one batch looks at. */
const PAGE = 25

/** Salt and nonce: random, so they tell one sealing of a body from every other. */
const RANDOM_BYTES = 28

export interface SealedRow {
  readonly provider: string
  readonly dedup_key: string
  readonly key_id: string
  /** Null where the first master key sealed it. */
  readonly sealed: Buffer | null
}

/** The next bodies in key order, those under another key with their ciphertext. Bounded, however few need work. */
export const nextBodies = (
  connection: Connection,
  keyId: string,
  after: Pick<SealedRow, "provider" | "dedup_key"> | undefined
) =>
  Effect.map(
    connection.query<SealedRow>(
      "rotate page",
      `SELECT provider, dedup_key, key_id, CASE WHEN key_id <> $1 THEN sealed END AS sealed FROM webhook_payloads
        WHERE (provider, dedup_key) > ($2::text, $3::text)
        ORDER BY provider, dedup_key LIMIT ${PAGE}`,
      [keyId, after?.provider ?? "", after?.dedup_key ?? ""]
    ),
    (rows) => ({ rows, more: rows.length === PAGE })
  )

/** A body under its new key, and what it replaces. */
export interface ResealedRow extends SealedRow {
  readonly sealed: Buffer
  readonly bytes: Buffer
}

/**
 * Replaces ciphertexts, each only where exactly the one stands that was read: a body that was purged stays away, and one
 * that was put there anew under the same name stays what it is. Locked in key order, like every group.
 */
export const replaceBodies = (connection: Connection, keyId: string, rows: ReadonlyArray<ResealedRow>) =>
  Effect.map(
    connection.query<{ n: number }>(
      "rotate",
      `WITH v AS (
         SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS v(provider, dedup_key, before, sealed)
       ), r AS (
         SELECT p.provider, p.dedup_key, v.sealed FROM webhook_payloads p JOIN v USING (provider, dedup_key)
          WHERE substring(p.sealed FOR ${RANDOM_BYTES}) = decode(v.before, 'base64')
          ORDER BY p.provider, p.dedup_key FOR UPDATE OF p
       )
       UPDATE webhook_payloads p SET key_id = $1, sealed = decode(r.sealed, 'base64')
         FROM r WHERE p.provider = r.provider AND p.dedup_key = r.dedup_key
       RETURNING 1 AS n`,
      [
        keyId,
        rows.map((row) => row.provider),
        rows.map((row) => row.dedup_key),
        rows.map((row) => row.sealed.subarray(0, RANDOM_BYTES).toString("base64")),
        rows.map((row) => row.bytes.toString("base64"))
      ]
    ),
    (replaced) => replaced.length
  )

/** How many bodies are under which key; reads the whole table, on a session without a limit. */
export const countBodies = (connection: Connection) =>
  connection.query<{ key_id: string; bodies: number }>(
    "rotate count",
    "SELECT key_id, count(*)::int AS bodies FROM webhook_payloads GROUP BY key_id ORDER BY key_id"
  )
