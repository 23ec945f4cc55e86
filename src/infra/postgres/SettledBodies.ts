const PLACES = 1 << 18

/**
 * Which bodies this gate met as done, as far as it remembers: a hint of one megabyte about which question to ask Postgres
 * first, and never an answer. The first 32 bits of a hash choose its place, which remembers the next 32 of the last body
 * that fell there.
 */
export const make = () => {
  const places = new Uint32Array(PLACES)
  const placeOf = (hash: string) => Number.parseInt(hash.slice(0, 8), 16) % PLACES
  /** Never 0, which is an empty place. */
  const markOf = (hash: string) => Number.parseInt(hash.slice(8, 16), 16) || 1
  return {
    /** `hash`: SHA-256 in hexadecimal. */
    add: (hash: string) => {
      places[placeOf(hash)] = markOf(hash)
    },
    forget: (hash: string) => {
      places[placeOf(hash)] = 0
    },
    has: (hash: string) => places[placeOf(hash)] === markOf(hash)
  }
}
