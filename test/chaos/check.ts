import { Effect } from "effect"
import type { Admin, Kafka } from "kafkajs"
import type postgres from "postgres"
import { capture, read } from "../../src/infra/audit/Topic.ts"
import type { TopicNames } from "../../src/infra/kafka/Topics.ts"

export interface Damage {
  readonly lost: number
  readonly doubled: number
  /** Facts that came after a later one of their payment. */
  readonly disordered: number
}
export const NONE: Damage = { lost: 0, doubled: 0, disordered: 0 }
export const isDamaged = ({ disordered, doubled, lost }: Damage) => lost + doubled + disordered > 0

const arrivals = async (kafka: Kafka, admin: Admin, topic: string) => {
  const all: Array<{
    readonly key: string
    readonly value: string
    readonly headers: Readonly<Record<string, string>>
  }> = []
  const range = await Effect.runPromise(capture(admin, topic))
  if (range !== null) await Effect.runPromise(read(kafka, range, (records) => void all.push(...records)))
  return all
}

/** Reads both topics as a billing consumer would and holds them against what the writers say they wrote. */
export const check = async (
  kafka: Kafka,
  admin: Admin,
  names: TopicNames,
  sql: postgres.Sql
): Promise<{ readonly facts: number; readonly events: Damage; readonly outcomes: Damage }> => {
  const numbers = new Map<string, Array<number>>()
  const records = await arrivals(kafka, admin, names.events)
  for (const { key, value } of records) {
    const { effect_key, payment_reference } = JSON.parse(value) as Record<string, string>
    const [, payment, n] = effect_key!.split(":")
    if (payment !== payment_reference || key !== `paypal/${payment}`)
      throw new Error("a record under a wrong key")
    const list = numbers.get(payment!)
    if (list === undefined) numbers.set(payment!, [Number(n)])
    else list.push(Number(n))
  }
  const events = { lost: 0, doubled: 0, disordered: 0 }
  for (const { n, payment } of await sql<
    Array<{ payment: string; n: number }>
  >`SELECT payment, n FROM written`) {
    const came = numbers.get(payment) ?? []
    const distinct = new Set(came).size
    events.lost += n - distinct
    events.doubled += came.length - distinct
    events.disordered += came.filter((number, at) => at > 0 && number < came[at - 1]!).length
  }
  const decided = await sql<
    Array<{ event_id: string }>
  >`SELECT event_id FROM webhook_event_log WHERE type = 'Completed'`
  const ids = (await arrivals(kafka, admin, names.outcomes)).map(({ headers }) => headers.ce_id ?? "")
  const distinct = new Set(ids)
  const outcomes = {
    lost: decided.filter(({ event_id }) => !distinct.has(event_id)).length,
    doubled: ids.length - distinct.size,
    disordered: 0
  }
  return { facts: records.length, events, outcomes }
}
