import { type Draft, type DraftFact, effectKey } from "./FactDrafts.ts"
import { at, decimalAt, idAt, listAt, textAt, wordAt } from "./JsonFields.ts"
import { epochMs, toUtc } from "./ProviderTime.ts"
import type { Json, JsonObject } from "./StrictJson.ts"

const VIRTUAL_ACCOUNT = new Set(["가상계좌", "VIRTUAL_ACCOUNT"])

export const isVirtualAccount = (payment: JsonObject) =>
  (at(payment, "virtualAccount") ?? null) !== null || VIRTUAL_ACCOUNT.has(textAt(payment, "method") ?? "")

const amountOf = (payment: JsonObject) => ({
  value: decimalAt(payment, "totalAmount"),
  currency: textAt(payment, "currency")
})

/** Oldest first. Entries without a sensible time keep their place at the end. */
const cancelsOf = (payment: JsonObject): ReadonlyArray<Json> =>
  listAt(payment, "cancels")
    .map((entry) => ({
      entry,
      time: epochMs(textAt(entry, "canceledAt"), "+09:00") ?? Number.MAX_SAFE_INTEGER
    }))
    .sort((one, other) => one.time - other.time)
    .map(({ entry }) => entry)

/**
 * Every fact that a payment's history proves, as Toss's API tells it, oldest first: states coalesce while we wait, and
 * effect keys make repeats harmless.
 */
export const provenBy = (payment: JsonObject, eventType: string | null): ReadonlyArray<Draft> => {
  const paymentKey = idAt(payment, "paymentKey")
  const status = wordAt(payment, "status")
  const virtual = isVirtualAccount(payment)
  // In an effect key an instant is written as Toss writes it; it is the last part, so its colons divide nothing.
  const approval = textAt(payment, "approvedAt")
  const approvedAt = epochMs(approval, "+09:00") === undefined ? undefined : approval
  // Done without a time of approval, or with one that is no time: the missing key makes it uninterpretable, not silent.
  const approved = approval !== undefined || status === "DONE"
  const received = effectKey("deposit", paymentKey, "received", "")

  const about = {
    provider_event_type: eventType,
    provider_event_id: null, // payment events have none
    payment_reference: paymentKey,
    object_id: paymentKey,
    parent_reference: null,
    amount: amountOf(payment),
    provider_status: status,
    occurred_at: null, // the answer does not tell when a state was entered, save for the approval
    confirmed_by: "requery"
  } satisfies Omit<DraftFact, "type" | "effect_key">
  const drafts: Array<Draft> = []

  if (approved && !virtual) {
    const effect_key = effectKey("payment", paymentKey, "captured", approvedAt)
    const occurred_at = toUtc(approvedAt, "+09:00")
    drafts.push({ fact: { ...about, type: "billing.payment.captured.v1", effect_key, occurred_at } })
  }
  if (approved && virtual && status !== "WAITING_FOR_DEPOSIT") {
    const effect_key = effectKey("deposit", paymentKey, "received", approvedAt)
    const occurred_at = toUtc(approvedAt, "+09:00")
    drafts.push({ fact: { ...about, type: "billing.deposit.received.v1", effect_key, occurred_at } })
  }
  if (virtual && status === "WAITING_FOR_DEPOSIT") {
    const effect_key = effectKey("deposit", paymentKey, "awaiting")
    const occurred_at = toUtc(textAt(payment, "requestedAt"), "+09:00")
    drafts.push({ fact: { ...about, type: "billing.deposit.awaiting.v1", effect_key, occurred_at } })
    // DONE may go back to WAITING_FOR_DEPOSIT. The answer looks the same as before the deposit: only what is booked
    // tells a withdrawal from a first wait.
    const withdrawal = effectKey("deposit", paymentKey, "withdrawn", idAt(payment, "lastTransactionKey"))
    if (withdrawal !== undefined && received !== undefined) {
      const fact = { ...about, type: "billing.deposit.withdrawn.v1", effect_key: withdrawal }
      drafts.push({ fact, onlyAfter: received })
    }
  }
  for (const entry of cancelsOf(payment)) {
    if (wordAt(entry, "cancelStatus") !== "DONE") continue
    const transactionKey = idAt(entry, "transactionKey")
    const fact = {
      ...about,
      type: "billing.payment.refunded.v1",
      effect_key: effectKey("cancel", paymentKey, transactionKey),
      object_id: transactionKey,
      parent_reference: paymentKey,
      amount: { value: decimalAt(entry, "cancelAmount"), currency: textAt(payment, "currency") },
      occurred_at: toUtc(textAt(entry, "canceledAt"), "+09:00")
    }
    // A virtual account can be cancelled before anyone paid into it: then nothing was given back.
    const unpaid = virtual && !approved && received !== undefined
    drafts.push(unpaid ? { fact, onlyAfter: received } : { fact })
  }
  if (status === "ABORTED") {
    const effect_key = effectKey("payment", paymentKey, "denied")
    drafts.push({ fact: { ...about, type: "billing.payment.denied.v1", effect_key } })
  }
  if (status === "EXPIRED") {
    const effect_key = effectKey("payment", paymentKey, "expired")
    drafts.push({ fact: { ...about, type: "billing.payment.expired.v1", effect_key } })
  }
  return drafts
}
