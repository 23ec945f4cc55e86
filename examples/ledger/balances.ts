import type postgres from "postgres"
import { fromMinor } from "./minorUnits.ts"

export interface Balance {
  readonly environment: string
  readonly currency: string
  readonly decimals: number
  readonly account: string
  /** In units of the smallest coin: debit positive. Text, for it may outgrow a number. */
  readonly minor: string
}

export const readBalances = (sql: postgres.Sql): Promise<ReadonlyArray<Balance>> =>
  sql<Array<Balance>>`SELECT environment, currency, decimals, account, minor FROM balances`

const ACCOUNTS = ["clearing", "revenue", "refunds", "chargebacks"]

/** One row for each environment and currency; the sum of a row is always zero. */
export const balanceTable = (balances: ReadonlyArray<Balance>): string => {
  const places = [
    ...new Set(balances.map(({ environment, currency }) => `${environment} ${currency}`))
  ].sort()
  const rows = places.map((place) => {
    const found = balances.filter(({ environment, currency }) => `${environment} ${currency}` === place)
    const amount = (account: string) => {
      const balance = found.find((one) => one.account === account)
      return balance === undefined ? "0" : fromMinor(BigInt(balance.minor), balance.decimals)
    }
    const sum = found.reduce((total, { minor }) => total + BigInt(minor), 0n)
    return [...place.split(" "), ...ACCOUNTS.map(amount), String(sum)]
  })
  const all = [["environment", "currency", ...ACCOUNTS, "sum"], ...rows]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join("  ")
    )
    .join("\n")
}
