import { readFile } from "node:fs/promises"
import {
  type AsyncHandler,
  type ConsumedEvent,
  type DataOf,
  type StartOptions,
  Unprocessable
} from "oncegate/consumer"
import type postgres from "postgres"
import { DECIMALS, toMinor } from "./minorUnits.ts"

/** Which account stands against the money at the provider, and whether that grows (1) or shrinks (-1). */
export const BOOKED = {
  "billing.payment.captured.v1": { against: "revenue", sign: 1n },
  "billing.payment.refunded.v1": { against: "refunds", sign: -1n },
  "billing.payment.reversed.v1": { against: "chargebacks", sign: -1n },
  "billing.deposit.received.v1": { against: "revenue", sign: 1n },
  // The bank took the deposit back: as if it had never come.
  "billing.deposit.withdrawn.v1": { against: "revenue", sign: -1n }
} as const
export type BookedType = keyof typeof BOOKED

/**
 * Books one fact. It needs no other fact to be there: a refund that is told before its capture is money that left all
 * the same, the sums are right in any order, and the view `overdrawn` shows the payment until its capture is here.
 */
const book: AsyncHandler<ConsumedEvent<BookedType, DataOf<BookedType>>> = async (event, { sql }) => {
  const { id, type, data } = event
  if (data.amount === null) throw new Unprocessable({ reason: "no_amount" })
  const { against, sign } = BOOKED[type]
  const minor = sign * toMinor(data.amount)
  // Nothing was moved, so there is nothing to book.
  if (minor === 0n) return
  const { currency } = data.amount
  await sql`
    INSERT INTO entries (event_id, type, endpoint, environment, payment_reference, occurred_at)
    VALUES (${id}, ${type}, ${data.endpoint}, ${data.environment}, ${data.payment_reference}, ${data.occurred_at})`
  await sql`
    INSERT INTO lines (event_id, account, currency, minor)
    VALUES (${id}, 'clearing', ${currency}, ${minor.toString()}), (${id}, ${against}, ${currency}, ${(-minor).toString()})`
}

/** The ledger's handlers: every other type moves no money of ours, and is passed by. */
export const handlers = Object.fromEntries(
  Object.keys(BOOKED).map((type) => [type, book])
) as StartOptions["handlers"]

/** Creates the tables in the first schema of the `search_path`; may be run again. */
export const createTables = async (sql: postgres.Sql) => {
  await sql.unsafe(await readFile(new URL("schema.sql", import.meta.url), "utf8"))
  await sql`
    INSERT INTO currencies ${sql(Object.entries(DECIMALS).map(([code, decimals]) => ({ code, decimals })))}
    ON CONFLICT DO NOTHING`
}
