import { createHash } from "node:crypto"

/** Random choices that come out the same for the same seed, so that a run can be repeated. Never for secrets. */
export interface SeededRandom {
  /** 0 <= x < 1 */
  readonly next: () => number
  /** Both ends included. */
  readonly int: (min: number, max: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(from: readonly [A, ...Array<A>]) => A
  readonly text: (alphabet: string, length: number) => string
  readonly shuffle: <A>(items: ReadonlyArray<A>) => Array<A>
  /** An independent series: what one part draws does not move what another part draws. */
  readonly fork: (label: string) => SeededRandom
}

/** sfc32 (Chris Doty-Humphrey, PractRand), its 128 bits of state filled from the hash of the seed. */
const generator = (seed: string) => {
  const digest = createHash("sha256").update(seed).digest()
  let a = digest.readInt32LE(0)
  let b = digest.readInt32LE(4)
  let c = digest.readInt32LE(8)
  let counter = digest.readInt32LE(12)
  return () => {
    const out = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + out
    return (out >>> 0) / 4294967296
  }
}

export const make = (seed: string): SeededRandom => {
  const next = generator(seed)
  const int = (min: number, max: number) => min + Math.floor(next() * (max - min + 1))
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (from) => from[int(0, from.length - 1)]!,
    text: (alphabet, length) => {
      let out = ""
      for (let i = 0; i < length; i++) out += alphabet[int(0, alphabet.length - 1)]
      return out
    },
    shuffle: (items) => {
      const out = [...items]
      for (let i = out.length - 1; i > 0; i--) {
        const j = int(0, i)
        const held = out[i]!
        out[i] = out[j]!
        out[j] = held
      }
      return out
    },
    fork: (label) => make(`${seed}/${label}`)
  }
}
