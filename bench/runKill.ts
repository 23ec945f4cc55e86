import type { Running } from "./Contestant.ts"
import type { Ground } from "./Ground.ts"
import { expected, faultsOf, judge } from "./judge.ts"
import * as Ledger from "./Ledger.ts"
import { load } from "./Load.ts"
import type { Measured } from "./Measured.ts"
import type { Cell } from "./Scenario.ts"

const STRIKES = 3
/** A claim of a killed process is taken over when its lease ran out: 30 s where nothing else is set. */
const QUIET_MS = 60_000

/** Three kill -9 in the middle of a load whose cut requests are sent again, then: what was answered and is not there? */
export const runKill = async (
  ground: Ground,
  running: Running,
  cell: Extract<Cell, { kind: "kill" }>
): Promise<Omit<Measured, "round">> => {
  const { connections, ids } = cell
  const portions = [{ files: await ground.pool.files({ kind: "paypal", bytes: 0 }, ids), count: ids }]
  let strikes = 0
  let striking: Promise<void> = Promise.resolve()
  const result = await load(
    {
      portions,
      ...running.speak,
      connections,
      order: "unique",
      cycle: false,
      warmupMs: 0,
      measureMs: 0,
      rate: 0,
      resend: true,
      tellEvery: Math.max(1, Math.floor(ids / 50))
    },
    {
      onAnswered: (count) => {
        if (strikes >= STRIKES || count < ((strikes + 1) * ids) / (STRIKES + 1)) return
        strikes += 1
        striking = striking.then(running.strike)
      }
    }
  )
  await striking
  const wanted = await expected(portions, result, running.nameOf)
  await running.publish?.()
  const seen = await Ledger.follow(ground, running.topic, running.idOf)
  const settleSeconds = await Ledger.settled(seen, QUIET_MS, () => seen.byId.size >= wanted.acked.size)
  await Ledger.settled(seen, 2_000, () => false)
  const found = judge(wanted, seen)
  const own = await running.examine?.()
  await seen.stop()
  const remarks = [
    ...(strikes < STRIKES ? [`struck only ${strikes} times`] : []),
    ...faultsOf(wanted, found, result.answers, own)
  ]
  return {
    isRight: remarks.length === 0,
    remarks,
    measured: result.measured,
    answers: result.answers,
    records: seen.records,
    settleSeconds,
    cut: result.cut,
    ...found
  }
}
