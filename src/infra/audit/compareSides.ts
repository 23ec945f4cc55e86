import { Effect } from "effect"
import type { DifferenceCode } from "../../domain/Difference.ts"
import { type AuditRun, report } from "./AuditRun.ts"
import * as Tally from "./Tally.ts"

/** Something that should stand on both sides, with the same content. */
export interface Entry {
  readonly id: string
  readonly content: string
  readonly endpoint: string
  readonly key: string
  /** May be missing on the other side: in flight, or beyond the horizon of retention. */
  readonly optional: boolean
}

/** Reads a side from its beginning; called again for what did not agree. */
export type Side<E, R> = (onEntries: (entries: ReadonlyArray<Entry>) => void) => Effect.Effect<void, E, R>

export interface Codes {
  readonly missing: DifferenceCode
  readonly unknown: DifferenceCode
  readonly doubled: DifferenceCode
  readonly differs: DifferenceCode
}

/** Entries that one round of the second look keeps. */
const ROUND = 100_000

interface Found {
  readonly left: Array<Entry>
  readonly right: Array<Entry>
}

const judge = (name: string, codes: Codes, { left, right }: Found) => {
  const one = left[0] ?? right[0]!
  const about = { endpoint: one.endpoint, key: one.key, field: name }
  if (left.length === 0)
    return right.every(({ optional }) => optional)
      ? []
      : [{ ...about, code: codes.unknown, expected: 0, found: right.length }]
  if (left.length > 1) return [{ ...about, code: codes.doubled, expected: 1, found: left.length }]
  if (right.length === 0)
    return one.optional ? [] : [{ ...about, code: codes.missing, expected: 1, found: 0 }]
  if (right.length > 1) return [{ ...about, code: codes.doubled, expected: 1, found: right.length }]
  return one.content === right[0]!.content
    ? []
    : [{ ...about, code: codes.differs, expected: "the log's", found: "another" }]
}

/**
 * Compares two sides of any size in bounded memory. One reading of each fills a tally; where it does not come out even,
 * both are read again and only the entries of the buckets in question are kept and compared one by one. `left` is what
 * the log says.
 */
export const compareSides = Effect.fnUntraced(function* <E, R>(
  run: AuditRun,
  left: Side<E, R>,
  right: Side<E, R>,
  codes: Codes,
  enough: () => boolean
) {
  const tally = Tally.make()
  const count = (side: 1 | -1) => (entries: ReadonlyArray<Entry>) => {
    for (const { content, id, optional } of entries) if (!optional) tally.add(side, id, content)
  }
  yield* left(count(1))
  const compared = tally.entries()
  yield* right(count(-1))
  const differing = tally.differing()
  const perRound = Math.max(1, Math.floor(ROUND / Math.max(1, tally.entries() / Tally.BUCKETS)))
  for (let from = 0; from < differing.length && !enough(); from += perRound) {
    const wanted = new Set(differing.slice(from, from + perRound))
    const found = new Map<string, Found>()
    const keep = (side: keyof Found) => (entries: ReadonlyArray<Entry>) => {
      for (const entry of entries) {
        if (!wanted.has(Tally.bucketOf(entry.id))) continue
        const both = found.get(entry.id) ?? { left: [], right: [] }
        // Of the content no more than can be compared.
        both[side].push({ ...entry, content: Tally.digest(entry.id, entry.content).toString("base64") })
        found.set(entry.id, both)
      }
    }
    yield* left(keep("left"))
    yield* right(keep("right"))
    for (const [id, both] of found) yield* report(run, judge(id, codes, both))
  }
  return { compared }
})
