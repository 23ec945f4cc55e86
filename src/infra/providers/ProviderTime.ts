const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/u

/**
 * Milliseconds since 1970 of a provider's time, or undefined where it makes no sense: PayPal's simulator sends month 19,
 * and JavaScript's own parser takes the 30th of February for the 1st of March.
 * `offset` is what the provider means where its text names none; without one such a text is refused.
 */
export const epochMs = (text: string | undefined, offset?: "+09:00"): number | undefined => {
  const match = text === undefined ? null : ISO.exec(text)
  if (match === null) return undefined
  const [, year, month, day, time, fraction = "", zone = offset] = match
  const date = `${year}-${month}-${day}`
  const midnight = new Date(`${date}T00:00:00Z`)
  if (zone === undefined || Number.isNaN(midnight.getTime()) || midnight.getUTCDate() !== Number(day))
    return undefined
  const ms = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, "0")}${zone}`)
  return Number.isNaN(ms) ? undefined : ms
}

/** The same time as ISO 8601 in UTC, or null where it makes no sense: no event is refused for its dates. */
export const toUtc = (text: string | undefined, offset?: "+09:00"): string | null => {
  const ms = epochMs(text, offset)
  const utc = ms === undefined ? "" : new Date(ms).toISOString()
  // The turn to UTC can leave the years 0 to 9999, which are then written in six digits.
  return /^[0-9]{4}-/.test(utc) ? utc : null
}
