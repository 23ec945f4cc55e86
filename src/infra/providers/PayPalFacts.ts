import { Effect } from "effect"
import type { FactType } from "../../domain/BillingFact.ts"
import type { ProcessFailed, ProposedFact } from "../../domain/Provider.ts"
import { type DraftFact, effectKey, propose } from "./FactDrafts.ts"
import { at, idAt, listAt, textAt, wordAt } from "./JsonFields.ts"
import { amountAt, parentOf, requiredAmountAt, returnedAmountAt } from "./PayPalResource.ts"
import { toUtc } from "./ProviderTime.ts"
import type { Json, JsonObject } from "./StrictJson.ts"

interface Source {
  readonly eventId: string | undefined
  readonly resourceType: string | undefined
  readonly resource: Json | undefined
  /** HMAC of a vault token, which is never passed on itself. */
  readonly pseudonym: (token: string) => string
}

type Subject = Pick<DraftFact, "effect_key" | "payment_reference" | "object_id" | "amount"> & {
  readonly parent_reference?: unknown
  readonly provider_status?: unknown
}
type Reading = (source: Source) => Subject

const authorization =
  (step: "created" | "voided"): Reading =>
  ({ resource }) => {
    const id = idAt(resource, "id")
    return {
      effect_key: effectKey("authorization", id, step),
      payment_reference: id,
      object_id: id,
      amount: step === "created" ? requiredAmountAt(resource, "amount") : amountAt(resource, "amount")
    }
  }

/** Captures and v1 sales: one kind of object under two names. */
const capture =
  (step: "pending" | "completed" | "denied"): Reading =>
  ({ resource }) => {
    const id = idAt(resource, "id")
    return {
      effect_key: effectKey("capture", id, step),
      payment_reference: id,
      object_id: id,
      amount: step === "denied" ? amountAt(resource, "amount") : requiredAmountAt(resource, "amount")
    }
  }

const refund: Reading = ({ resource }) => {
  const id = idAt(resource, "id")
  const parent = parentOf(resource)
  return {
    effect_key: effectKey("refund", id),
    payment_reference: parent,
    object_id: id,
    parent_reference: parent,
    amount: returnedAmountAt(resource, "amount")
  }
}

/** The resource of a reversal is an object of its own, which names its capture, or the reversed sale or capture itself. */
const reversal: Reading = ({ resource, resourceType }) => {
  const id = idAt(resource, "id")
  const parent =
    parentOf(resource) ?? (resourceType === "sale" || resourceType === "capture" ? id : undefined)
  return {
    effect_key: effectKey("reversal", id),
    payment_reference: parent,
    object_id: id,
    parent_reference: parent,
    amount: returnedAmountAt(resource, "amount")
  }
}

const dispute: Reading = ({ eventId, resource }) => {
  const id = idAt(resource, "dispute_id") ?? idAt(resource, "id")
  const [transaction] = listAt(resource, "disputed_transactions")
  return {
    effect_key: effectKey("dispute", id, eventId),
    // Ours is the seller's id of the transaction (the capture); the buyer's is another.
    payment_reference:
      idAt(transaction, "seller_transaction_id") ?? idAt(transaction, "buyer_transaction_id"),
    object_id: id,
    amount: amountAt(resource, "dispute_amount")
  }
}

/** No amount: the money of a subscription is told by its sales. */
const subscription: Reading = ({ eventId, resource }) => {
  const id = idAt(resource, "id")
  return {
    effect_key: effectKey("subscription", id, eventId),
    payment_reference: id,
    object_id: id,
    amount: null
  }
}

const payoutItem =
  (word: string): Reading =>
  ({ resource }) => {
    const id = idAt(resource, "payout_item_id")
    return {
      effect_key: effectKey("payout", id, word),
      payment_reference: id,
      object_id: id,
      amount: requiredAmountAt(resource, "payout_item", "amount"),
      provider_status: wordAt(resource, "transaction_status")
    }
  }

const method: Reading = ({ eventId, pseudonym, resource }) => {
  const token = idAt(resource, "id")
  const name = token === undefined ? undefined : pseudonym(token)
  return {
    effect_key: effectKey("method", name, eventId),
    payment_reference: name,
    object_id: name,
    amount: null
  }
}

type Row = readonly [eventType: string, fact: FactType, reading: Reading]

const payoutRows = (fact: FactType, ...words: ReadonlyArray<string>): ReadonlyArray<Row> =>
  words.map((word) => [`PAYMENT.PAYOUTS-ITEM.${word}`, fact, payoutItem(word.toLowerCase())])

const ROWS: ReadonlyArray<Row> = [
  ["PAYMENT.AUTHORIZATION.CREATED", "billing.payment.authorized.v1", authorization("created")],
  ["PAYMENT.AUTHORIZATION.VOIDED", "billing.payment.voided.v1", authorization("voided")],
  ...["PAYMENT.CAPTURE", "PAYMENT.SALE"].flatMap(
    (kind): ReadonlyArray<Row> => [
      [`${kind}.PENDING`, "billing.payment.pending.v1", capture("pending")],
      [`${kind}.COMPLETED`, "billing.payment.captured.v1", capture("completed")],
      [`${kind}.DENIED`, "billing.payment.denied.v1", capture("denied")],
      [`${kind}.DECLINED`, "billing.payment.denied.v1", capture("denied")],
      [`${kind}.REFUNDED`, "billing.payment.refunded.v1", refund],
      [`${kind}.REVERSED`, "billing.payment.reversed.v1", reversal]
    ]
  ),
  ["CUSTOMER.DISPUTE.CREATED", "billing.dispute.opened.v1", dispute],
  ["CUSTOMER.DISPUTE.UPDATED", "billing.dispute.updated.v1", dispute],
  ["CUSTOMER.DISPUTE.RESOLVED", "billing.dispute.resolved.v1", dispute],
  ["BILLING.SUBSCRIPTION.CREATED", "billing.subscription.created.v1", subscription],
  ["BILLING.SUBSCRIPTION.ACTIVATED", "billing.subscription.activated.v1", subscription],
  ["BILLING.SUBSCRIPTION.RE-ACTIVATED", "billing.subscription.activated.v1", subscription],
  ["BILLING.SUBSCRIPTION.UPDATED", "billing.subscription.updated.v1", subscription],
  ["BILLING.SUBSCRIPTION.SUSPENDED", "billing.subscription.suspended.v1", subscription],
  ["BILLING.SUBSCRIPTION.CANCELLED", "billing.subscription.cancelled.v1", subscription],
  ["BILLING.SUBSCRIPTION.EXPIRED", "billing.subscription.expired.v1", subscription],
  ["BILLING.SUBSCRIPTION.PAYMENT.FAILED", "billing.subscription.payment_failed.v1", subscription],
  ...payoutRows("billing.payout.completed.v1", "SUCCEEDED"),
  ...payoutRows(
    "billing.payout.failed.v1",
    "FAILED",
    "DENIED",
    "BLOCKED",
    "RETURNED",
    "CANCELED",
    "REFUNDED"
  ),
  ["VAULT.PAYMENT-TOKEN.CREATED", "billing.method.created.v1", method],
  ["VAULT.PAYMENT-TOKEN.DELETED", "billing.method.deleted.v1", method]
]

const TABLE = new Map(ROWS.map(([eventType, fact, reading]) => [eventType, { fact, reading }]))

/**
 * The fact that an event of PayPal states, or none where its type is not in the table (docs/events.md). Fails with
 * `uninterpretable` where a type of the table lacks what its fact needs.
 */
export const readFacts = (
  event: JsonObject,
  pseudonym: (token: string) => string
): Effect.Effect<ReadonlyArray<ProposedFact>, ProcessFailed> => {
  const eventType = textAt(event, "event_type")
  const row = TABLE.get(eventType ?? "")
  if (row === undefined) return Effect.succeed([])
  const resource = at(event, "resource")
  const eventId = idAt(event, "id")
  const subject = row.reading({ eventId, resource, resourceType: textAt(event, "resource_type"), pseudonym })
  const fact: DraftFact = {
    type: row.fact,
    provider_event_type: eventType,
    provider_event_id: eventId ?? null,
    parent_reference: null,
    provider_status: wordAt(resource, "status") ?? wordAt(resource, "state"),
    occurred_at: toUtc(textAt(event, "create_time")),
    confirmed_by: "signature",
    ...subject
  }
  return propose([{ fact }])
}
