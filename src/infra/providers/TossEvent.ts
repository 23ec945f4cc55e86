import { fromParts } from "../../domain/DedupKey.ts"
import { at, idAt, textAt, wordAt } from "./JsonFields.ts"
import type { Json, JsonObject } from "./StrictJson.ts"

/** An event of Toss in one of its three shapes. */
export interface TossEvent {
  readonly type: string | null
  /** What the event is about: `data`, `entityBody`, or the flat body of a deposit callback. */
  readonly subject: Json | undefined
  readonly body: JsonObject
}

const SIGNED = new Set(["payout.changed", "seller.changed"])

/** The only types that Toss signs. Every other one proves nothing by itself. */
export const isSigned = (event: TossEvent) => event.type !== null && SIGNED.has(event.type)

const OF_PAYMENTS = new Set(["PAYMENT_STATUS_CHANGED", "DEPOSIT_CALLBACK", "CANCEL_STATUS_CHANGED"])

/** Whether the event tells of a payment, which the API is then asked for. */
export const tellsOfPayment = (event: TossEvent) => event.type !== null && OF_PAYMENTS.has(event.type)

/** A deposit callback is flat and names no type; it is known by its fields. */
const isDepositCallback = (body: JsonObject) =>
  !body.has("eventType") && textAt(body, "orderId") !== undefined && textAt(body, "status") !== undefined

export const readEvent = (body: JsonObject): TossEvent => {
  if (isDepositCallback(body)) return { type: "DEPOSIT_CALLBACK", subject: body, body }
  const type = wordAt(body, "eventType")
  const signed = type !== null && SIGNED.has(type)
  return { type, subject: signed ? at(body, "entityBody") : body.has("data") ? at(body, "data") : body, body }
}

/**
 * The identity of an event: its transmission, the same on every retry of Toss; else the event's own id where it is
 * signed; else what happened to which payment. Never the payment alone: its approval and its cancellation are two events.
 */
export const dedupKeyOf = (event: TossEvent, transmissionId: string | undefined) =>
  fromParts("tx", transmissionId) ??
  (isSigned(event) ? fromParts("ev", textAt(event.body, "eventId")) : undefined) ??
  fromParts(
    "pkey",
    textAt(event.subject, "paymentKey"),
    textAt(event.subject, "status"),
    textAt(event.subject, "lastTransactionKey")
  ) ??
  fromParts(
    "dep",
    textAt(event.subject, "orderId"),
    textAt(event.subject, "status"),
    textAt(event.subject, "transactionKey")
  )

/** What an unsigned event announces; the API is asked whether it is so. */
export interface Announcement {
  readonly status: string | null
  /** The approval or cancellation that the event tells of. */
  readonly transactionKey: string | undefined
  /** Local time of Korea, without an offset. */
  readonly createdAt: string | undefined
}

export const announcementOf = (event: TossEvent): Announcement => ({
  // A cancellation that is done leaves its payment cancelled in part at least.
  status:
    wordAt(event.subject, "cancelStatus") === "DONE" ? "PARTIAL_CANCELED" : wordAt(event.subject, "status"),
  transactionKey: idAt(event.subject, "lastTransactionKey") ?? idAt(event.subject, "transactionKey"),
  createdAt: textAt(event.body, "createdAt")
})

/** Which payment to ask the API for. */
export type PaymentName =
  | { readonly field: "paymentKey"; readonly value: string }
  | { readonly field: "orderId"; readonly value: string }

/** A payment's name as one text. */
export const nameText = (field: PaymentName["field"], value: string) => `${field} ${value}`

/** `.` and `..` would leave the path even when encoded. */
const named = (value: string | undefined) => (value === undefined || /^\.+$/u.test(value) ? undefined : value)

/** The payment an event is about, or undefined where it names none that could be asked for. */
export const paymentNameOf = (event: TossEvent): PaymentName | undefined => {
  const paymentKey = named(idAt(event.subject, "paymentKey"))
  if (paymentKey !== undefined) return { field: "paymentKey", value: paymentKey }
  const orderId = named(idAt(event.subject, "orderId"))
  return orderId === undefined ? undefined : { field: "orderId", value: orderId }
}
