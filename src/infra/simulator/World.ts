import { createHash, randomBytes } from "node:crypto"
import * as SeededRandom from "./SeededRandom.ts"

const UPPER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
const LOWER = "0123456789abcdefghijklmnopqrstuvwxyz"
const HEX = "0123456789abcdef"
const MIXED = `${LOWER}ABCDEFGHIJKLMNOPQRSTUVWXYZ`
/** Crockford's base 32, in lower case as Toss writes its ULIDs. */
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"

/** Where the simulated providers take their ids and times from: all of it follows from the seed. */
export interface World extends SeededRandom.SeededRandom {
  /** Time at which the next thing happens, milliseconds since 1970; each call is later than the one before. */
  readonly later: () => number
  readonly upper: (length: number) => string
  readonly hex: (length: number) => string
  readonly mixed: (length: number) => string
  readonly ulid: () => string
  /** Units of 1/100, below the limit given in units. */
  readonly cents: (limit: number) => number
}

/** A seed that nobody has used before; it begins with the time. */
export const newSeed = () => `${Date.now()}-${randomBytes(2).toString("hex")}`

/** Things happen at the time that a new seed begins with; any other seed has its own time in 2026. */
const beginOf = (seed: string) =>
  /^\d{13}-/.test(seed)
    ? Number(seed.slice(0, 13))
    : Date.UTC(2026, 0, 1) + (createHash("sha256").update(seed).digest().readUInt32LE(16) % 15_552_000) * 1000

export const make = (seed: string, part = ""): World => {
  const random = SeededRandom.make(`${seed}/${part}`)
  let clock = beginOf(seed)
  return {
    ...random,
    later: () => {
      clock += random.int(1, 900)
      return clock
    },
    upper: (length) => random.text(UPPER, length),
    hex: (length) => random.text(HEX, length),
    mixed: (length) => random.text(MIXED, length),
    ulid: () => `01${random.text(BASE32, 24)}`,
    cents: (limit) => random.int(101, limit * 100)
  }
}

/** 1234 -> "12.34" */
export const decimal = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`
