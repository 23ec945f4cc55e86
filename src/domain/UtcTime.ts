import { Schema } from "effect"

/** An instant as ISO 8601 in UTC, a year of four digits, with or without a fraction of a second. */
export const UtcTime = Schema.String.check(
  Schema.isPattern(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$/u)
)
