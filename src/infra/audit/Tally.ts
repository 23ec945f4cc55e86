import { createHash } from "node:crypto"

/** Two sides are compared bucket by bucket: 64 Ki buckets are enough to narrow ten million entries to hundreds. */
export const BUCKETS = 65_536

/** Spreads ids over buckets (FNV-1a). */
export const bucketOf = (id: string) => {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193)
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1)
}

export const digest = (id: string, content: string) =>
  createHash("sha256").update(id).update("\n").update(content).digest()

/**
 * What two bags of entries have in common, in a megabyte: for each bucket the count and the sum of digests of one side
 * less those of the other. All zero: the same entries, as often, on both sides, whatever their order.
 */
export const make = () => {
  const counts = new Int32Array(BUCKETS)
  const sums = new Int32Array(BUCKETS * 3)
  let entries = 0
  return {
    add: (side: 1 | -1, id: string, content: string) => {
      const bucket = bucketOf(id)
      const summed = digest(id, content)
      entries += 1
      counts[bucket] = counts[bucket]! + side
      for (let word = 0; word < 3; word += 1) {
        const at = bucket * 3 + word
        sums[at] = (sums[at]! + side * summed.readInt32LE(word * 4)) | 0
      }
    },
    entries: () => entries,
    /** Buckets whose two sides are not the same. */
    differing: () => {
      const found: Array<number> = []
      for (let bucket = 0; bucket < BUCKETS; bucket += 1)
        if (
          counts[bucket] !== 0 ||
          sums[bucket * 3] !== 0 ||
          sums[bucket * 3 + 1] !== 0 ||
          sums[bucket * 3 + 2] !== 0
        )
          found.push(bucket)
      return found
    }
  }
}
