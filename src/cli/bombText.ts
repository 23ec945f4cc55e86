import { createHash } from "node:crypto"
import type { Received } from "../infra/simulator/Courier.ts"
import { table } from "./Table.ts"

export interface BombResult {
  readonly isPassed: boolean
  /** Why not, in a few words. */
  readonly reason: string
  readonly text: string
}

const isFirst = ({ httpStatus, status }: Received) => httpStatus === 200 && status === "processed"
const isDuplicate = ({ httpStatus, status }: Received) => httpStatus === 200 && status === "already_processed"

const reasonOf = (received: ReadonlyArray<Received>) => {
  const first = received.filter(isFirst).length
  const broken = received.filter(({ httpStatus }) => httpStatus !== 200).length
  const others = received.filter((one) => !isFirst(one) && !isDuplicate(one)).length - broken
  if (first > 1) return `${first} deliveries were processed: the event was handled more than once`
  if (broken > 0) return `${broken} of ${received.length} deliveries were not answered 200`
  if (received.some(({ status }) => status === "accepted"))
    return "the first delivery was still at work when the gate had to answer: look at its row, then fire a new one"
  if (others > 0) return `${others} deliveries were answered neither processed nor already_processed`
  return first === 1 ? "" : "none was processed: the gate knew this event before"
}

/** The outcome of a bomb for people: of the delivery itself only the hash prefix and the size are shown. */
export const bombText = (url: URL, body: Buffer, received: ReadonlyArray<Received>): BombResult => {
  const hash = createHash("sha256").update(body).digest("hex").slice(0, 16)
  const count = (test: (one: Received) => boolean) => received.filter(test).length
  const statuses = [...new Set(received.map(({ httpStatus }) => httpStatus))].sort((a, b) => a - b)
  const reason = reasonOf(received)
  const rows = received.map((one, index) => [
    index + 1,
    one.httpStatus === 0 ? "-" : String(one.httpStatus),
    Math.round(one.ms * 10) / 10,
    one.status ?? "",
    one.state ?? "",
    one.errorCode ?? "",
    isFirst(one) ? "FIRST" : isDuplicate(one) ? "" : "ERROR"
  ])
  return {
    isPassed: reason === "",
    reason,
    text: [
      `payload  sha256 ${hash}, ${body.length} bytes`,
      `target   ${url.origin}${url.pathname}, ${received.length} at the same moment`,
      "",
      table([["#", "HTTP", "ms", "status", "state", "error_code", "flag"], ...rows]),
      "",
      `HTTP: ${statuses.map((status) => `${status === 0 ? "no answer" : status} x ${count((one) => one.httpStatus === status)}`).join(", ")}`,
      `Idempotency: processed ${count(isFirst)}, already processed ${count(isDuplicate)}, other ${count((one) => !isFirst(one) && !isDuplicate(one))}`,
      `Verdict: ${reason === "" ? "PASS" : "FAIL"}`
    ].join("\n")
  }
}
