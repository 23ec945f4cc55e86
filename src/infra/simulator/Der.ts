/** The few DER encodings (X.690) that a certificate needs. */

const length = (size: number) => {
  if (size < 0x80) return Buffer.from([size])
  const bytes: Array<number> = []
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}

const tagged = (tag: number, ...content: ReadonlyArray<Uint8Array>) => {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag]), length(body.length), body])
}

export const sequence = (...content: ReadonlyArray<Uint8Array>) => tagged(0x30, ...content)
export const set = (...content: ReadonlyArray<Uint8Array>) => tagged(0x31, ...content)
export const octets = (content: Uint8Array) => tagged(0x04, content)
export const utf8 = (text: string) => tagged(0x0c, Buffer.from(text, "utf8"))
export const nothing = () => tagged(0x05)
export const yes = () => tagged(0x01, Buffer.from([0xff]))
/** Context-specific: `explicit` wraps a whole value, `implicit` replaces its tag. */
export const explicit = (number: number, content: Uint8Array) => tagged(0xa0 | number, content)
export const implicit = (number: number, content: Uint8Array) => tagged(0x80 | number, content)

/** An unsigned integer; a leading zero keeps its highest bit from meaning "negative". */
export const integer = (bytes: Uint8Array) =>
  tagged(0x02, bytes[0] === undefined || bytes[0] >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)

export const bits = (content: Uint8Array, unused = 0) => tagged(0x03, Buffer.from([unused]), content)

/** `20260101000000Z`: whole seconds, as a certificate wants them. */
export const time = (at: Date) =>
  at.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(`${at.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`))
    : tagged(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`))

export const objectId = (dotted: string) => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const base128 = (value: number) => {
    const bytes = [value % 128]
    for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
      bytes.unshift(0x80 | (left % 128))
    return bytes
  }
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}
