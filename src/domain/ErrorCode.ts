import { Schema } from "effect"

/** Why an event failed or was parked: a closed list, so that no message of anyone ever reaches a table or a log. */
export const ErrorCode = Schema.Literals([
  // permanent
  "uninterpretable",
  "effect_conflict",
  "payload_mismatch",
  "not_json_object",
  "no_custody",
  "custody_broken",
  // of the world
  "provider_unavailable",
  "provider_rate_limited",
  "provider_busy",
  "provider_unauthorized",
  "not_visible_yet",
  "unconfirmed",
  "master_key_missing",
  "shutdown",
  "database",
  // of the event, or unknown
  "unexpected",
  "lease_expired",
  "attempts_exhausted",
  // said by a person
  "redriven",
  "dismissed"
])
export type ErrorCode = typeof ErrorCode.Type

/**
 * `permanent` is parked at once; `world` is retried as long as it takes and not counted; `event` is counted and parked
 * when the attempts are spent.
 */
export type FailureKind = "permanent" | "world" | "event"
