/**
 * What of one partition is durably handled. Keys run side by side, so records end out of order; an offset is only
 * committed when everything before it has ended.
 */
export interface Positions {
  /** Records came, in order of offset. `last` is the last offset of the fetch, control records included. */
  readonly accept: (offsets: ReadonlyArray<string>, last: string) => void
  readonly done: (offset: string) => void
  /** The offset to commit: the first one not handled yet. Undefined until something was accepted. */
  readonly next: () => string | undefined
  /** Accepted and not done. */
  readonly pending: () => number
  /** Accepted and not covered by `next`: what a key that waits holds back, done or not. */
  readonly held: () => number
}

export const make = (): Positions => {
  /** In order of arrival; what is done at its front is taken off. */
  let order: Array<string> = []
  let front = 0
  const open = new Set<string>()
  let end: string | undefined
  return {
    accept: (offsets, last) => {
      for (const offset of offsets) {
        open.add(offset)
        order.push(offset)
      }
      end = (BigInt(last) + 1n).toString()
    },
    done: (offset) => {
      open.delete(offset)
      while (front < order.length && !open.has(order[front]!)) front += 1
      if (front > 1000 && front * 2 > order.length) {
        order = order.slice(front)
        front = 0
      }
    },
    next: () => (front < order.length ? order[front] : end),
    pending: () => open.size,
    held: () => order.length - front
  }
}
