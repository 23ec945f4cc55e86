import type { BillingEvent } from "../../domain/BillingEvent.ts"
import type { BillingFact } from "../../domain/BillingFact.ts"
import type { Endpoint } from "../../domain/Endpoint.ts"
import type { ErrorCode } from "../../domain/ErrorCode.ts"
import type { DuplicateState } from "../../domain/GateEvent.ts"
import { FACTS_NAMED, type Outcome, type OutcomeType } from "../../domain/Outcome.ts"
import { dataschemaOf, type RecordHeaders } from "../../domain/RecordHeaders.ts"
import type { LogRow } from "../postgres/LogReader.ts"
import { factId } from "./FactId.ts"

/** What the table of endpoints says about a name; undefined for a receiver that is configured no more. */
export type EndpointFacts = Pick<Endpoint, "kind" | "environment"> | undefined

/** One record as it is sent; `topic` is without prefix. */
export interface OutRecord {
  readonly topic: "events" | "outcomes"
  readonly key: string
  readonly value: Buffer
  readonly headers: RecordHeaders
}

let iso = { ms: Number.NaN, text: "" }
/** Neighbours in the log mostly have the same millisecond, and formatting it is dear. */
const toIso = (at: Date) => {
  const ms = at.getTime()
  if (ms !== iso.ms) iso = { ms, text: at.toISOString() }
  return iso.text
}

/** CloudEvents 1.0, Kafka binding, binary mode. */
const record = (
  topic: OutRecord["topic"],
  row: LogRow,
  about: { readonly type: string; readonly id: string; readonly subject: string },
  data: BillingEvent | Outcome
): OutRecord => ({
  topic,
  key: `${row.provider}/${about.subject}`,
  value: Buffer.from(JSON.stringify(data)),
  headers: {
    ce_specversion: "1.0",
    ce_id: about.id,
    ce_source: `/oncegate/${row.provider}`,
    ce_type: about.type,
    ce_dataschema: dataschemaOf(about.type),
    ce_subject: about.subject,
    ce_time: toIso(row.at),
    ce_sequence: String(row.position).padStart(20, "0"),
    "content-type": "application/json",
    ...(row.trace === null ? {} : { traceparent: row.trace })
  }
})

const billingEvent = (row: LogRow, { kind, environment }: NonNullable<EndpointFacts>): OutRecord => {
  // The gate wrote this row from decoded facts: it is not decoded again.
  const { type, ...fact } = (row.data as unknown as { fact: typeof BillingFact.Encoded }).fact
  return record(
    "events",
    row,
    { type, id: factId(row.provider, fact.effect_key), subject: fact.payment_reference },
    { endpoint: row.provider, provider: kind, environment, dedup_key: row.dedup_key, ...fact }
  )
}

/** The fields of the log's events that an outcome is made of. */
interface OutcomeData {
  readonly event_type?: string | null
  readonly note?: string | null
  readonly effects?: ReadonlyArray<string>
  readonly code?: ErrorCode
  readonly state?: DuplicateState
  readonly count?: number
}

interface Decision {
  readonly type: OutcomeType
  readonly state: DuplicateState
  readonly note?: string
  readonly error?: ErrorCode | null
}

const decisionOf = (type: string, data: OutcomeData): Decision | undefined => {
  const code = data.code ?? null
  switch (type) {
    case "Completed":
      return { type: "oncegate.webhook.processed.v1", state: "done" }
    case "Reinterpreted":
      return { type: "oncegate.webhook.processed.v1", state: "done", note: "reinterpreted" }
    case "DuplicateSeen":
      return { type: "oncegate.webhook.duplicate.v1", state: data.state ?? "processing" }
    case "Failed":
      return code === "unconfirmed"
        ? { type: "oncegate.webhook.unconfirmed.v1", state: "unconfirmed", error: code }
        : { type: "oncegate.webhook.failed.v1", state: "retry_scheduled", error: code }
    case "Parked":
      return code === "payload_mismatch"
        ? { type: "oncegate.webhook.conflict.v1", state: "conflict", error: code }
        : { type: "oncegate.webhook.parked.v1", state: "parked", error: code }
    case "Quarantined":
      return { type: "oncegate.webhook.quarantined.v1", state: "quarantined", error: "not_json_object" }
    case "Redriven":
      return { type: "oncegate.webhook.redriven.v1", state: "retry_scheduled" }
    case "Dismissed":
      return { type: "oncegate.webhook.dismissed.v1", state: "done" }
    default:
      return undefined
  }
}

const outcome = (row: LogRow, endpoint: EndpointFacts): OutRecord | undefined => {
  const data = row.data as OutcomeData
  const decision = decisionOf(row.type, data)
  if (decision === undefined) return undefined
  const effects = data.effects ?? []
  return record(
    "outcomes",
    row,
    { type: decision.type, id: row.event_id, subject: row.dedup_key },
    {
      endpoint: row.provider,
      provider: endpoint?.kind ?? null,
      environment: endpoint?.environment ?? null,
      dedup_key: row.dedup_key,
      state: decision.state,
      provider_event_type: data.event_type ?? null,
      facts: effects.slice(0, FACTS_NAMED).map((effect) => factId(row.provider, effect)),
      facts_count: effects.length,
      note: decision.note ?? data.note ?? null,
      error_code: decision.error ?? null,
      count: row.type === "DuplicateSeen" ? (data.count ?? 1) : null
    }
  )
}

/**
 * The record that a row of the log becomes, or undefined where no topic wants it. A fact of an unknown endpoint has
 * no record either: whoever calls this makes sure that it is known.
 */
export const toRecord = (row: LogRow, endpoint: EndpointFacts): OutRecord | undefined =>
  row.type === "BillingEventRecorded" ? endpoint && billingEvent(row, endpoint) : outcome(row, endpoint)
