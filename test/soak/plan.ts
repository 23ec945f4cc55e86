import { createHash } from "node:crypto"
import * as SeededRandom from "../../src/infra/simulator/SeededRandom.ts"
import { APIS, type Api } from "../chaos/FaultyProxy.ts"

/** What can go wrong, each in its turn. */
export const kinds = [
  "kill",
  "stop",
  "postgres_crash",
  "sessions_ended",
  "broker_kill",
  "lost_replies",
  "lost_broker_replies",
  "disk_full",
  "wrong_clock",
  "slow_api",
  "failing_api",
  "lying_api",
  "consumer_kill"
] as const
export type Kind = (typeof kinds)[number]

export const GATES = 3
export const CONSUMERS = 2

export interface Fault {
  /** Milliseconds after the start. */
  readonly at: number
  readonly kind: Kind
  /** What it strikes, in words. */
  readonly target: string
  /** Which gate it strikes, where it strikes one. */
  readonly gate: number
  readonly consumer: number
  /** Of which requests the broker's replies are lost. */
  readonly api: Api
}

const FIRST_MS = 5_000
/** Between the beginnings of two faults. */
const GAP_MS: readonly [number, number] = [4_000, 5_700]
/** No fault begins in the last part of a run: all must be right again by its end. */
export const TAIL_MS = 40_000

/** Where the fault strikes one gate, its work counts; else that of all. */
export const isOfGate = (kind: Kind) => ["kill", "stop", "lost_replies", "wrong_clock"].includes(kind)

const targetOf = (kind: Kind, { api, consumer, gate }: Pick<Fault, "api" | "consumer" | "gate">) => {
  if (isOfGate(kind)) return `gate ${gate + 1}`
  if (kind === "consumer_kill") return `consumer ${consumer + 1}`
  if (kind === "lost_broker_replies") return `broker's ${api}`
  if (kind === "broker_kill") return "broker"
  return kind.endsWith("_api") ? "toss" : "postgres"
}

const apis = Object.keys(APIS) as ReadonlyArray<Api>

/** The faults of a run, in rounds in which each kind comes once. They follow from the seed and the length alone. */
export const plan = (seed: string, lengthMs: number): ReadonlyArray<Fault> => {
  const random = SeededRandom.make(`${seed}/faults`)
  const faults: Array<Fault> = []
  let round: Array<Kind> = []
  for (let at = FIRST_MS; at < lengthMs - TAIL_MS; at += random.int(...GAP_MS)) {
    if (round.length === 0) round = [...random.shuffle(kinds)]
    const kind = round.pop()!
    const struck = {
      gate: random.int(0, GATES - 1),
      consumer: random.int(0, CONSUMERS - 1),
      api: apis[random.int(0, apis.length - 1)]!
    }
    faults.push({ at, kind, target: targetOf(kind, struck), ...struck })
  }
  return faults
}

/** A fault without its moment. */
export type Named = Pick<Fault, "kind" | "target">

/** What was struck, in its order, as a short text: two runs that struck the same have the same. Moments do not count. */
export const digestOf = (struck: ReadonlyArray<Named>) =>
  createHash("sha256")
    .update(struck.map(({ kind, target }) => `${kind} ${target}\n`).join(""))
    .digest("hex")
    .slice(0, 12)

/** The first place at which two runs struck otherwise, or undefined. */
export const firstDifference = (before: ReadonlyArray<Named>, now: ReadonlyArray<Named>) => {
  for (let index = 0; index < Math.max(before.length, now.length); index += 1) {
    const [one, other] = [before[index], now[index]].map((fault) =>
      fault === undefined ? "nothing" : `${fault.kind} of ${fault.target}`
    )
    if (one !== other) return { index, before: one!, now: other! }
  }
  return undefined
}
