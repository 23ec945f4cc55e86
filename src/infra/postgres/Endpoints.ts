import { randomBytes } from "node:crypto"
import { Effect, Schema } from "effect"
import type { Endpoint } from "../../domain/Endpoint.ts"
import { Database } from "./Database.ts"

/** An endpoint of this name was fixed with another kind or environment by an earlier start. */
export class EndpointRefused extends Schema.TaggedError<EndpointRefused>()("EndpointRefused", {
  message: Schema.String
}) {}

interface Row {
  readonly kind: string
  readonly environment: string
  readonly pseudonym_key: Buffer
}

const find = Effect.fnUntraced(function* (name: string) {
  const { claims } = yield* Database
  const [row] = yield* claims.query<Row>(
    "endpoint",
    "SELECT kind, environment, pseudonym_key FROM webhook_endpoints WHERE name = $1",
    [name]
  )
  return row
})

/** Every endpoint that ever started on this database. */
export const names = Effect.gen(function* () {
  const { claims } = yield* Database
  const rows = yield* claims.query<{ name: string }>(
    "endpoint names",
    "SELECT name FROM webhook_endpoints ORDER BY name"
  )
  return rows.map(({ name }) => name)
})

/** HMAC key of an endpoint's pseudonyms, or undefined where it never started. */
export const pseudonymKey = (name: string) => Effect.map(find(name), (row) => row?.pseudonym_key)

/**
 * Fixes an endpoint at its first start, and refuses another kind or environment ever after: live and test money never
 * share a name. Two first starts at once: the insert lets one in, both read what it wrote. Answers with the key of its
 * pseudonyms.
 */
export const register = Effect.fnUntraced(function* (endpoint: Endpoint) {
  const { claims } = yield* Database
  yield* claims.query(
    "endpoint register",
    `INSERT INTO webhook_endpoints (name, kind, environment, pseudonym_key)
     VALUES ($1, $2, $3, decode($4, 'base64')) ON CONFLICT (name) DO NOTHING`,
    [endpoint.name, endpoint.kind, endpoint.environment, randomBytes(32).toString("base64")]
  )
  const row = yield* find(endpoint.name)
  if (row === undefined || row.kind !== endpoint.kind || row.environment !== endpoint.environment)
    return yield* new EndpointRefused({
      message:
        `endpoint ${endpoint.name} belongs to ${row?.kind} (${row?.environment}) in this database, and ` +
        `${endpoint.kind} (${endpoint.environment}) was configured: use the database of that environment`
    })
  return row.pseudonym_key
})
