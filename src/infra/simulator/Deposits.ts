import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { dirname } from "node:path"
import type { Json } from "./SimulatedEvent.ts"

/** What the simulated APIs know: payments by key and order, events by id. */
export interface Deposits {
  /** Durable against a kill -9 of the process when this returns. Entries without an id are left out. */
  readonly add: (payments: ReadonlyArray<Json>, events: ReadonlyArray<Json>) => number
  readonly payment: (paymentKey: string) => Uint8Array | undefined
  readonly paymentOfOrder: (orderId: string) => Uint8Array | undefined
  /** Payments that came in since this start, each time they did, in that order. */
  readonly arrivals: () => ReadonlyArray<Arrival>
  readonly event: (id: string) => Uint8Array | undefined
  readonly size: () => { readonly payments: number; readonly events: number }
  readonly close: () => void
}

export interface Arrival {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly payment: Json
}

/** The oldest are forgotten beyond this many of each. */
const KEPT = 100_000

/** One line an entry, its ids in front, so that reading a large file need not parse it: kind, id, order id, JSON. */
const lineOf = (kind: "payment" | "event", id: string, order: string, text: string) =>
  `${kind}\t${id}\t${order}\t${text}\n`

const isId = (value: unknown): value is string => typeof value === "string" && /^[^\s]{1,200}$/.test(value)

export const open = (path: string): Deposits => {
  const payments = new Map<string, { readonly order: string; readonly body: Uint8Array }>()
  const orders = new Map<string, string>()
  const events = new Map<string, Uint8Array>()
  let arrivals: Array<Arrival> = []

  const keep = (kind: string, id: string, order: string, body: Uint8Array) => {
    if (kind === "payment") {
      payments.delete(id) // so that it counts as the newest
      payments.set(id, { order, body })
      orders.set(order, id)
      for (const [oldest, { order: itsOrder }] of payments) {
        if (payments.size <= KEPT) break
        payments.delete(oldest)
        orders.delete(itsOrder)
      }
    } else if (kind === "event") {
      events.delete(id)
      events.set(id, body)
      for (const oldest of events.keys()) {
        if (events.size <= KEPT) break
        events.delete(oldest)
      }
    }
  }

  /** A line torn by a kill -9 has no JSON to its end: it was never confirmed to anyone, so it is skipped. */
  const read = () => {
    let lines = 0
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
    for (let from = 0, to = bytes.indexOf(10); to >= 0; from = to + 1, to = bytes.indexOf(10, from)) {
      const line = bytes.subarray(from, to)
      const first = line.indexOf(9)
      const second = line.indexOf(9, first + 1)
      const third = line.indexOf(9, second + 1)
      if (first < 0 || second < 0 || third < 0 || line.at(-1) !== 0x7d) continue
      lines++
      const text = (start: number, end: number) => line.toString("utf8", start, end)
      keep(
        text(0, first),
        text(first + 1, second),
        text(second + 1, third),
        Buffer.from(line.subarray(third + 1))
      )
    }
    return { lines, whole: bytes.length === 0 || bytes.at(-1) === 10 }
  }

  const rewrite = () => {
    const draft = `${path}.new`
    const file = openSync(draft, "w", 0o600)
    for (const [id, { body, order }] of payments)
      writeSync(file, lineOf("payment", id, order, Buffer.from(body).toString("utf8")))
    for (const [id, body] of events)
      writeSync(file, lineOf("event", id, "", Buffer.from(body).toString("utf8")))
    closeSync(file)
    renameSync(draft, path)
  }

  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const { lines, whole } = read()
  if (lines > 2 * (payments.size + events.size) + 1000) rewrite()
  else if (!whole) writeFileSync(path, "\n", { flag: "a", mode: 0o600 })
  const file = openSync(path, "a", 0o600)

  const linesOf = (kind: "payment" | "event", entries: ReadonlyArray<Json>) => {
    let text = ""
    for (const entry of entries) {
      const id = kind === "payment" ? entry.paymentKey : entry.id
      const order = kind === "payment" ? entry.orderId : ""
      if (!isId(id) || (kind === "payment" && !isId(order))) continue
      text += lineOf(kind, id, String(order), JSON.stringify(entry))
    }
    return text
  }

  return {
    add: (newPayments, newEvents) => {
      const text = linesOf("payment", newPayments) + linesOf("event", newEvents)
      if (text !== "") writeSync(file, text)
      let added = 0
      for (const line of text.split("\n")) {
        if (line === "") continue
        const [kind = "", id = "", order = "", ...rest] = line.split("\t")
        keep(kind, id, order, Buffer.from(rest.join("\t"), "utf8"))
        added++
      }
      const at = Date.now()
      for (const payment of newPayments) arrivals.push({ at, payment })
      if (arrivals.length > 2 * KEPT) arrivals = arrivals.slice(-KEPT)
      return added
    },
    payment: (paymentKey) => payments.get(paymentKey)?.body,
    paymentOfOrder: (orderId) => payments.get(orders.get(orderId) ?? "")?.body,
    arrivals: () => arrivals,
    event: (id) => events.get(id),
    size: () => ({ payments: payments.size, events: events.size }),
    close: () => closeSync(file)
  }
}
