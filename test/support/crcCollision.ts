import { crc32 } from "../../src/infra/providers/Crc32.ts"

/**
 * A JSON body like `wanted` with the CRC-32 of `genuine`: a pad of printable letters is solved for, since CRC-32 is linear
 * over bits. This is how a signature that covers only the CRC is forged.
 */
export const collide = (genuine: Uint8Array, wanted: Uint8Array): Buffer => {
  const LENGTH = 64
  const head = Buffer.concat([Buffer.from(wanted).subarray(0, -1), Buffer.from(',"pad":"')])
  const body = (pad: Uint8Array) => Buffer.concat([head, pad, Buffer.from('"}')])
  const pad = Buffer.alloc(LENGTH, "a")
  const base = crc32(body(pad))
  // "a" and "c" differ in one bit: flipping letter i changes the CRC by a difference of its own.
  const rows: Array<{ difference: number; letters: bigint }> = []
  for (let letter = 0; letter < LENGTH; letter += 1) {
    const flipped = Buffer.from(pad)
    flipped[letter] = "c".charCodeAt(0)
    let difference = (crc32(body(flipped)) ^ base) >>> 0
    let letters = 1n << BigInt(letter)
    for (const row of rows)
      if ((difference ^ row.difference) >>> 0 < difference) {
        difference = (difference ^ row.difference) >>> 0
        letters ^= row.letters
      }
    if (difference !== 0) {
      rows.push({ difference, letters })
      rows.sort((a, b) => b.difference - a.difference)
    }
  }
  let left = (crc32(genuine) ^ base) >>> 0
  let flips = 0n
  for (const row of rows)
    if ((left ^ row.difference) >>> 0 < left) {
      left = (left ^ row.difference) >>> 0
      flips ^= row.letters
    }
  if (left !== 0) throw new Error("no collision found")
  for (let letter = 0; letter < LENGTH; letter += 1)
    if ((flips >> BigInt(letter)) & 1n) pad[letter] = "c".charCodeAt(0)
  return body(pad)
}
