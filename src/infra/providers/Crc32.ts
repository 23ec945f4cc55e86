/**
 * CRC-32 (IEEE) as zlib computes it. Own code because of Deno: `node:zlib` crc32 there gave wrong results after some
 * hundred megabytes (https://github.com/denoland/deno/issues/30636), and Deno 2.9.5 died of a segmentation fault in
 * most runs of a loop of it with RSA verification.
 */
const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** Unsigned CRC-32 of the bytes. Not a MAC: a body for any wanted value is made in no time. */
export const crc32 = (bytes: Uint8Array): number => {
  let value = ~0
  for (let index = 0; index < bytes.length; index++) {
    value = TABLE[(value ^ bytes[index]!) & 0xff]! ^ (value >>> 8)
  }
  return ~value >>> 0
}
