/**
 * Lower-case names to every value sent under them, of names and values in turn. Deno's own `headersDistinct` throws where
 * a header is called `constructor` or `__proto__`: whoever sent one would end the process.
 */
export const headersOf = (raw: ReadonlyArray<string>): Readonly<Record<string, ReadonlyArray<string>>> => {
  const headers: Record<string, Array<string>> = Object.create(null)
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase()
    headers[name] ??= []
    headers[name].push(raw[at + 1]!)
  }
  return headers
}
