import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"
import type { Prepared } from "./Prepared.ts"

/** The first `count` deliveries of some files. */
export interface Portion {
  readonly files: ReadonlyArray<string>
  readonly count: number
}

export async function* read({ count, files }: Portion) {
  let given = 0
  for (const file of files)
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (given === count) return
      given += 1
      yield JSON.parse(line) as Prepared & { readonly payment?: Readonly<Record<string, unknown>> }
    }
}

/** All portions, each spread evenly over the whole: the same order for everyone who asks. */
export async function* mixed(portions: ReadonlyArray<Portion>) {
  const sources = portions.map((portion) => ({ deliveries: read(portion), count: portion.count, given: 0 }))
  while (true) {
    const open = sources.filter(({ count, given }) => given < count)
    if (open.length === 0) return
    const next = open.reduce((a, b) => (b.given / b.count < a.given / a.count ? b : a))
    const { done, value } = await next.deliveries.next()
    next.given = done === true ? next.count : next.given + 1
    if (value !== undefined) yield value
  }
}
