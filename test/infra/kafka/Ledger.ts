import type postgres from "postgres"
import type { Consumed } from "./Consumed.ts"

export interface Count {
  readonly lost: number
  readonly doubled: number
  readonly disordered: number
}

/** Holds the numbers of each payment, in the order in which they came, against what was written. */
export const countNumbers = async (
  sql: postgres.Sql,
  arrived: Iterable<{ readonly payment: string; readonly n: number }>
): Promise<Count> => {
  const numbers = new Map<string, Array<number>>()
  for (const { payment, n } of arrived) numbers.set(payment, [...(numbers.get(payment) ?? []), n])
  const written = await sql<Array<{ payment: string; n: number }>>`SELECT payment, n FROM written`
  let lost = 0
  let doubled = 0
  let disordered = 0
  for (const { payment, n } of written) {
    const came = numbers.get(payment) ?? []
    const distinct = new Set(came)
    lost += n - distinct.size
    doubled += came.length - distinct.size
    disordered += came.filter((number, index) => index > 0 && number < came[index - 1]!).length
  }
  return { lost, doubled, disordered }
}

/** The same for facts read from Kafka. */
export const countFacts = (sql: postgres.Sql, records: ReadonlyArray<Consumed>) =>
  countNumbers(
    sql,
    records.map(({ data }) => {
      const [, payment, n] = String(data.effect_key).split(":")
      return { payment: payment!, n: Number(n) }
    })
  )

export const NOTHING_WRONG: Count = { lost: 0, doubled: 0, disordered: 0 }
