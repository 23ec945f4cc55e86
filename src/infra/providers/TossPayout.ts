import { type Draft, effectKey } from "./FactDrafts.ts"
import { decimalAt, idAt, textAt, wordAt } from "./JsonFields.ts"
import { toUtc } from "./ProviderTime.ts"
import type { TossEvent } from "./TossEvent.ts"

/** The states in which a payout ends, and the last part of its effect key. */
const ENDS: Readonly<Record<string, readonly [type: string, word: string]>> = {
  COMPLETED: ["billing.payout.completed.v1", "completed"],
  FAILED: ["billing.payout.failed.v1", "failed"]
}

/** The fact of a `payout.changed` event. Its signature covers the whole body, so it is proof by itself. */
export const payoutFacts = (event: TossEvent): ReadonlyArray<Draft> => {
  const payout = event.subject
  const status = wordAt(payout, "status")
  const end = ENDS[status ?? ""]
  if (end === undefined) return []
  const [type, word] = end
  const id = idAt(payout, "id")
  const fact = {
    type,
    effect_key: effectKey("payout", id, word),
    provider_event_type: event.type,
    provider_event_id: idAt(event.body, "eventId") ?? null,
    payment_reference: id,
    object_id: id,
    parent_reference: null,
    amount: { value: decimalAt(payout, "amount", "value"), currency: textAt(payout, "amount", "currency") },
    provider_status: status,
    occurred_at: toUtc(textAt(event.body, "createdAt"), "+09:00"),
    confirmed_by: "signature"
  }
  return [{ fact }]
}
