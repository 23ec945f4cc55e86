import type { Act, SimulatedEvent, Story } from "./SimulatedEvent.ts"
import * as Payment from "./TossPayment.ts"
import { provenBy } from "./TossProof.ts"
import { local } from "./TossTime.ts"
import { type TossOptions, transmit } from "./TossTransmission.ts"
import type { World } from "./World.ts"

type Plot = (world: World, options: TossOptions) => Story

/** `eventType`, `createdAt` and the payment as it was at that moment. */
const statusChanged = (
  world: World,
  options: TossOptions,
  then: Payment.TossPayment,
  facts = provenBy(then)
): SimulatedEvent =>
  transmit(world, options, {
    eventType: "PAYMENT_STATUS_CHANGED",
    json: { eventType: "PAYMENT_STATUS_CHANGED", createdAt: local(world.later()), data: then },
    facts
  })

/** The older shape, for virtual accounts: flat, without type and payment key. */
const depositCallback = (
  world: World,
  options: TossOptions,
  then: Payment.TossPayment,
  facts = provenBy(then)
): SimulatedEvent =>
  transmit(world, options, {
    eventType: "DEPOSIT_CALLBACK",
    json: {
      createdAt: local(world.later()),
      secret: then.secret,
      status: then.status,
      transactionKey: then.lastTransactionKey,
      orderId: then.orderId
    },
    facts
  })

/** One act: the payment now is so, and these events tell of it or of what led there. */
const act = (payment: Payment.TossPayment, ...events: ReadonlyArray<SimulatedEvent>): Act => ({
  payments: [payment],
  paypalEvents: [],
  events
})

const part = (world: World, payment: Payment.TossPayment) =>
  payment.currency === "KRW"
    ? world.int(1, payment.balanceAmount / 100 - 1) * 100
    : Math.max(1, Math.floor(payment.balanceAmount * world.int(10, 80))) / 100

export const paidByCard: Plot = (world, options) => {
  const done = Payment.approve(world, Payment.card(world))
  return [act(done, statusChanged(world, options, done))]
}

/** Paid, then given back in two parts, and told of only when the API already knows all three. */
export const givenBackInParts: Plot = (world, options) => {
  const done = Payment.approve(world, Payment.card(world))
  const once = Payment.cancel(world, done, part(world, done))
  const twice = Payment.cancel(world, once, part(world, once))
  const facts = provenBy(twice)
  return [act(twice, ...[done, once, twice].map((then) => statusChanged(world, options, then, facts)))]
}

/** Paid, and cancelled as a whole after the gate booked the payment. */
export const paidThenCancelled: Plot = (world, options) => {
  const done = Payment.approve(world, Payment.card(world))
  const back = Payment.cancel(world, done, done.totalAmount)
  return [act(done, statusChanged(world, options, done)), act(back, statusChanged(world, options, back))]
}

export const aborted: Plot = (world, options) => {
  const payment = Payment.end(Payment.card(world), "ABORTED")
  return [act(payment, statusChanged(world, options, payment))]
}

export const expired: Plot = (world, options) => {
  const payment = Payment.end(Payment.card(world), "EXPIRED")
  return [act(payment, statusChanged(world, options, payment))]
}

/** A deposit is told twice by design: two transmissions in two shapes, one fact. */
export const deposit: Plot = (world, options) => {
  const done = Payment.approve(world, Payment.virtualAccount(world))
  return [act(done, statusChanged(world, options, done), depositCallback(world, options, done))]
}

/** Issued, paid, given back. */
export const depositLife: Plot = (world, options) => {
  const waiting = Payment.virtualAccount(world)
  const done = Payment.approve(world, waiting)
  const back = Payment.cancel(world, done, done.totalAmount)
  return [
    act(waiting, depositCallback(world, options, waiting)),
    act(done, statusChanged(world, options, done), depositCallback(world, options, done)),
    act(back, depositCallback(world, options, back), statusChanged(world, options, back))
  ]
}

/** Issued, paid, and the bank takes the money back: DONE goes to WAITING_FOR_DEPOSIT. */
export const depositWithdrawn: Plot = (world, options) => {
  const waiting = Payment.virtualAccount(world)
  const done = Payment.approve(world, waiting)
  const again = Payment.withdraw(world, done)
  return [
    act(waiting, depositCallback(world, options, waiting)),
    act(done, depositCallback(world, options, done), statusChanged(world, options, done)),
    act(again, depositCallback(world, options, again, provenBy(again, true)))
  ]
}

/** Issued and never paid. */
export const depositExpired: Plot = (world, options) => {
  const waiting = Payment.virtualAccount(world)
  const over = Payment.end(waiting, "EXPIRED")
  return [
    act(waiting, depositCallback(world, options, waiting)),
    act(over, statusChanged(world, options, over))
  ]
}
