import { Schema } from "effect"

/** SHA-256 of the raw body bytes, 64 lower-case hex digits. */
export const RequestHash = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)).pipe(
  Schema.brand("RequestHash")
)
export type RequestHash = typeof RequestHash.Type
