import type { Running } from "./Contestant.ts"
import type { Seen } from "./Ledger.ts"
import * as Bits from "./load/Bits.ts"
import type { LoadResult } from "./load/LoadPlan.ts"
import { mixed, type Portion } from "./prepare/mixed.ts"

/** Every delivery by name: whether it was sent, answered 2xx, and to be refused. */
export const expected = async (
  portions: ReadonlyArray<Portion>,
  result: Pick<LoadResult, "sent" | "acked">,
  nameOf: Running["nameOf"]
) => {
  const isSent = Bits.read(result.sent)
  const isAcked = Bits.read(result.acked)
  const acked = new Set<string>()
  const sent = new Set<string>()
  const refused = new Set<string>()
  let index = 0
  for await (const delivery of mixed(portions)) {
    const name = nameOf(delivery)
    if (isSent(index)) (delivery.refused === true ? refused : sent).add(name)
    if (isAcked(index)) acked.add(name)
    index += 1
  }
  return { acked, sent, refused }
}
export type Expected = Awaited<ReturnType<typeof expected>>

/** Counts what must not be: answered and not there, there twice, there and never sent (or refused). */
export const judge = ({ acked, sent }: Expected, seen: Seen) => {
  let lost = 0
  for (const name of acked) if (!seen.byId.has(name)) lost += 1
  let doubled = 0
  let unknown = 0
  for (const [name, count] of seen.byId) {
    if (count > 1) doubled += 1
    if (!sent.has(name)) unknown += 1
  }
  return { lost, doubled, unknown }
}

/** What of a round is wrong, in words: answers, what the judge found, what the contestant says of itself. */
export const faultsOf = (
  { refused }: Expected,
  found: ReturnType<typeof judge>,
  answers: LoadResult["answers"],
  own: { readonly isClean: boolean; readonly text: string } | undefined
): ReadonlyArray<string> => [
  ...Object.entries(answers).flatMap(([answer, count]) =>
    /^2\d\d /.test(answer) || (refused.size > 0 && /^401 /.test(answer)) ? [] : [`${count} times "${answer}"`]
  ),
  ...Object.entries(found).flatMap(([what, count]) => (count > 0 ? [`${count} ${what}`] : [])),
  ...(own === undefined || own.isClean ? [] : [own.text])
]
