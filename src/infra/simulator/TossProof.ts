import type { ExpectedFact } from "./SimulatedEvent.ts"
import type { TossPayment } from "./TossPayment.ts"

type Proven = Omit<ExpectedFact, "endpoint">

/**
 * The facts that a payment's history proves, as `docs/events.md` has them. Written apart from the gate's adapter on
 * purpose: an expectation that shares the code it checks would agree with every mistake of it.
 */
export const provenBy = (payment: TossPayment, receivedBefore = false): Array<ExpectedFact> => {
  const { approvedAt, currency, lastTransactionKey, paymentKey, status } = payment
  const whole = { value: String(payment.totalAmount), currency }
  const about = {
    payment_reference: paymentKey,
    object_id: paymentKey,
    amount: whole,
    parent_reference: null
  }
  const facts: Array<Proven> = []

  if (payment.virtualAccount !== null && status === "WAITING_FOR_DEPOSIT") {
    facts.push({
      ...about,
      type: "billing.deposit.awaiting.v1",
      effect_key: `deposit:${paymentKey}:awaiting`
    })
    if (receivedBefore) {
      facts.push({
        ...about,
        type: "billing.deposit.withdrawn.v1",
        effect_key: `deposit:${paymentKey}:withdrawn:${lastTransactionKey}`
      })
    }
  }
  if (approvedAt !== null) {
    facts.push(
      payment.virtualAccount === null
        ? {
            ...about,
            type: "billing.payment.captured.v1",
            effect_key: `payment:${paymentKey}:captured:${approvedAt}`
          }
        : {
            ...about,
            type: "billing.deposit.received.v1",
            effect_key: `deposit:${paymentKey}:received:${approvedAt}`
          }
    )
  }
  for (const entry of payment.cancels ?? []) {
    if (entry.cancelStatus !== "DONE") continue
    facts.push({
      type: "billing.payment.refunded.v1",
      effect_key: `cancel:${paymentKey}:${entry.transactionKey}`,
      payment_reference: paymentKey,
      object_id: entry.transactionKey,
      amount: { value: String(entry.cancelAmount), currency },
      parent_reference: paymentKey
    })
  }
  if (status === "ABORTED") {
    facts.push({ ...about, type: "billing.payment.denied.v1", effect_key: `payment:${paymentKey}:denied` })
  }
  if (status === "EXPIRED") {
    facts.push({ ...about, type: "billing.payment.expired.v1", effect_key: `payment:${paymentKey}:expired` })
  }
  return facts.map((fact) => ({ endpoint: "toss", ...fact }))
}
