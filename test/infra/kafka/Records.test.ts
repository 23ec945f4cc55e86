import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { BillingEvent } from "../../../src/domain/BillingEvent.ts"
import { Outcome, OutcomeType } from "../../../src/domain/Outcome.ts"
import { factId } from "../../../src/infra/kafka/FactId.ts"
import { toRecord } from "../../../src/infra/kafka/Records.ts"
import type { LogRow } from "../../../src/infra/postgres/LogReader.ts"
import { fact } from "./LogWriter.ts"

const row = (type: string, data: object, more: Partial<LogRow> = {}): LogRow => ({
  position: 4711,
  provider: "paypal",
  dedup_key: "ev_WH-1",
  type,
  type_version: 1,
  data: data as LogRow["data"],
  event_id: "0b1d6f5e-6f0e-4c8e-9a51-111111111111",
  trace: null,
  at: new Date("2026-03-04T05:06:07.089Z"),
  ...more
})
const endpoint = { kind: "paypal", environment: "simulated" } as const
const read = (type: string, data: object, more: Partial<LogRow> = {}) => {
  const record = toRecord(row(type, data, more), endpoint)
  if (record === undefined) throw new Error("no record")
  return { ...record, data: JSON.parse(String(record.value)) }
}
const standing = { fence: 1, attempts: 0, failures: 0 }

describe("a billing fact", () => {
  const booked = fact("CAP-1", 1)

  it("has the headers of a CloudEvent in binary mode", () => {
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    expect(read("BillingEventRecorded", { fact: booked }, { trace }).headers).toEqual({
      ce_specversion: "1.0",
      // python3: uuid.uuid5(uuid.NAMESPACE_URL, "oncegate:paypal:capture:CAP-1:1")
      ce_id: "4d5a2eff-52fc-594c-949c-64de5905f94f",
      ce_source: "/oncegate/paypal",
      ce_type: "billing.payment.captured.v1",
      ce_dataschema: "urn:oncegate:schema:billing.payment.captured.v1",
      ce_subject: "CAP-1",
      ce_time: "2026-03-04T05:06:07.089Z",
      ce_sequence: "00000000000000004711",
      "content-type": "application/json",
      traceparent: trace
    })
  })

  it("is keyed by endpoint and payment, and carries the fact with where it came from", () => {
    const record = read("BillingEventRecorded", { fact: booked })
    const { type: _, ...fields } = booked
    expect(record.topic).toBe("events")
    expect(record.key).toBe("paypal/CAP-1")
    expect(record.headers).not.toHaveProperty("traceparent")
    expect(record.data).toEqual({
      endpoint: "paypal",
      provider: "paypal",
      environment: "simulated",
      dedup_key: "ev_WH-1",
      ...fields
    })
    expect(Schema.decodeUnknownSync(BillingEvent)(record.data)).toEqual(record.data)
  })

  it("has no record while its endpoint is unknown", () => {
    expect(toRecord(row("BillingEventRecorded", { fact: booked }), undefined)).toBeUndefined()
  })
})

describe("an outcome", () => {
  const plain = {
    endpoint: "paypal",
    provider: "paypal",
    environment: "simulated",
    dedup_key: "ev_WH-1",
    provider_event_type: null,
    facts: [],
    facts_count: 0,
    note: null,
    error_code: null,
    count: null
  }
  const cases: ReadonlyArray<readonly [string, object, string, object]> = [
    [
      "Completed",
      { ...standing, event_type: "PAYMENT.CAPTURE.COMPLETED", note: null, effects: ["capture:CAP-1:1"] },
      "processed",
      {
        state: "done",
        provider_event_type: "PAYMENT.CAPTURE.COMPLETED",
        facts: [factId("paypal", "capture:CAP-1:1")],
        facts_count: 1
      }
    ],
    [
      "Completed",
      { ...standing, event_type: "INVOICING.INVOICE.PAID", note: "unmapped", effects: [] },
      "processed",
      { state: "done", provider_event_type: "INVOICING.INVOICE.PAID", note: "unmapped" }
    ],
    [
      "Reinterpreted",
      { ...standing, effects: ["refund:R1"], by: "ann", reason: "new mapping" },
      "processed",
      { state: "done", note: "reinterpreted", facts: [factId("paypal", "refund:R1")], facts_count: 1 }
    ],
    [
      "DuplicateSeen",
      { state: "retry_scheduled", count: 7 },
      "duplicate",
      { state: "retry_scheduled", count: 7 }
    ],
    [
      "Failed",
      { ...standing, code: "provider_unavailable", next_attempt_at: 1, failed_at: 1 },
      "failed",
      { state: "retry_scheduled", error_code: "provider_unavailable" }
    ],
    [
      "Failed",
      { ...standing, code: "unconfirmed", next_attempt_at: 1, failed_at: 1 },
      "unconfirmed",
      { state: "unconfirmed", error_code: "unconfirmed" }
    ],
    [
      "Parked",
      { ...standing, code: "attempts_exhausted", event_type: "X" },
      "parked",
      { state: "parked", error_code: "attempts_exhausted", provider_event_type: "X" }
    ],
    [
      "Parked",
      { ...standing, code: "payload_mismatch" },
      "conflict",
      { state: "conflict", error_code: "payload_mismatch" }
    ],
    [
      "Quarantined",
      { ...standing, request_hash: "0".repeat(64) },
      "quarantined",
      { state: "quarantined", error_code: "not_json_object" }
    ],
    [
      "Redriven",
      { ...standing, next_attempt_at: 1, by: "ann", reason: "mended" },
      "redriven",
      { state: "retry_scheduled" }
    ],
    ["Dismissed", { ...standing, by: "ann", reason: "test" }, "dismissed", { state: "done" }]
  ]

  it.each(cases)("%s %j is %s", (type, data, name, expected) => {
    const record = read(type, data)
    expect(record.topic).toBe("outcomes")
    expect(record.key).toBe("paypal/ev_WH-1")
    expect(record.headers).toMatchObject({
      ce_id: "0b1d6f5e-6f0e-4c8e-9a51-111111111111",
      ce_type: `oncegate.webhook.${name}.v1`,
      ce_subject: "ev_WH-1"
    })
    expect(Schema.is(OutcomeType)(record.headers.ce_type)).toBe(true)
    expect(record.data).toEqual({ ...plain, ...expected })
    expect(Schema.decodeUnknownSync(Outcome)(record.data)).toEqual(record.data)
    // Who re-drove an event and why is for the log, not for billing.
    expect(String(record.value)).not.toContain("ann")
  })

  it.each([
    "Claimed",
    "Reclaimed",
    "Released",
    "PayloadMismatch",
    "Forgery",
    "EffectAlreadyRecorded",
    "EffectConflict"
  ])("%s has none", (type) => {
    expect(toRecord(row(type, {}), endpoint)).toBeUndefined()
  })

  it("of a receiver that is configured no more says so", () => {
    const record = toRecord(
      row("Parked", { ...standing, code: "no_custody" }, { provider: "tosspayments" }),
      undefined
    )
    const data = JSON.parse(String(record?.value))
    expect(data).toMatchObject({ endpoint: "tosspayments", provider: null, environment: null })
    expect(Schema.decodeUnknownSync(Outcome)(data)).toEqual(data)
  })

  it("stays under 16 KiB, however many facts were booked", () => {
    const effects = Array.from({ length: 1000 }, (_, i) => `cancel:${"k".repeat(200)}:${i}`)
    const { value, data } = read(
      "Completed",
      { ...standing, event_type: "E".repeat(255), note: null, effects },
      { dedup_key: "d".repeat(255) }
    )
    expect(value.length).toBeLessThan(16_384)
    expect(data).toMatchObject({ facts_count: 1000, facts: { length: 256 } })
  })
})

it("no fact outgrows 16 KiB, whatever its bounded texts hold", () => {
  const text = "\u0001".repeat(255)
  const worst = {
    ...fact("x", 1),
    effect_key: "~".repeat(255),
    provider_event_type: text,
    provider_event_id: text,
    payment_reference: text,
    object_id: text,
    parent_reference: text,
    provider_status: text,
    occurred_at: text
  }
  expect(read("BillingEventRecorded", { fact: worst }).value.length).toBeLessThan(16_384)
})
