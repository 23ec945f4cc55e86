import type { Balance } from "./balances.ts"

/** What `oncegate simulate --expect` writes, as far as the proof needs it. */
export interface Expectation {
  readonly facts: ReadonlyArray<{
    readonly type: string
    readonly effect_key: string
    readonly amount: { readonly value: string; readonly currency: string } | null
  }>
  readonly unanswered: Pick<Expectation, "facts">
}

const SIGNS: Readonly<Record<string, readonly [account: string, sign: bigint]>> = {
  "billing.payment.captured.v1": ["revenue", 1n],
  "billing.deposit.received.v1": ["revenue", 1n],
  "billing.deposit.withdrawn.v1": ["revenue", -1n],
  "billing.payment.refunded.v1": ["refunds", -1n],
  "billing.payment.reversed.v1": ["chargebacks", -1n]
}
/** Amounts have at most eight decimals: in these units every currency is an integer. */
const SCALE = 8

const toScaled = (value: string) => {
  const [whole = "0", fraction = ""] = value.split(".")
  return BigInt(`${whole}${fraction.padEnd(SCALE, "0")}`)
}

const toValue = (scaled: bigint) => {
  const digits = (scaled < 0n ? -scaled : scaled).toString().padStart(SCALE + 1, "0")
  const value = `${digits.slice(0, -SCALE)}.${digits.slice(-SCALE)}`.replace(/\.?0+$/, "")
  return `${scaled < 0n ? "-" : ""}${value}`
}

export interface Comparison {
  readonly currency: string
  readonly account: string
  readonly foretold: string
  readonly booked: string
  readonly isEqual: boolean
}

/**
 * The sums that the simulator foretold against those of the ledger, worked out apart from the ledger's own arithmetic.
 * Accounts and currencies that only one side knows are differences too.
 */
export const compareSums = (
  { facts }: Expectation,
  balances: ReadonlyArray<Balance>
): ReadonlyArray<Comparison> => {
  const foretold = new Map<string, bigint>()
  const booked = new Map<string, bigint>()
  const add = (sums: Map<string, bigint>, name: string, scaled: bigint) =>
    sums.set(name, (sums.get(name) ?? 0n) + scaled)
  for (const { type, amount } of facts) {
    const [account, sign] = SIGNS[type] ?? []
    if (account === undefined || sign === undefined || amount === null) continue
    const scaled = sign * toScaled(amount.value)
    add(foretold, `${amount.currency} clearing`, scaled)
    add(foretold, `${amount.currency} ${account}`, -scaled)
  }
  for (const { currency, account, decimals, minor } of balances)
    add(booked, `${currency} ${account}`, BigInt(minor) * 10n ** BigInt(SCALE - decimals))
  return [...new Set([...foretold.keys(), ...booked.keys()])].sort().map((name) => {
    const [currency = "", account = ""] = name.split(" ")
    const [wanted, found] = [foretold.get(name) ?? 0n, booked.get(name) ?? 0n]
    return { currency, account, foretold: toValue(wanted), booked: toValue(found), isEqual: wanted === found }
  })
}
