import { compact, withOffset } from "./TossTime.ts"
import type { World } from "./World.ts"

export interface TossCancel {
  readonly transactionKey: string
  readonly cancelAmount: number
  readonly cancelStatus: "DONE" | "ABORTED" | "IN_PROGRESS"
  readonly [field: string]: unknown
}

/** Toss's Payment object, API version 2022-11-16: what its webhooks carry and what its API answers. */
export interface TossPayment {
  readonly paymentKey: string
  readonly orderId: string
  readonly status: string
  readonly lastTransactionKey: string | null
  readonly approvedAt: string | null
  readonly currency: string
  readonly totalAmount: number
  readonly balanceAmount: number
  readonly secret: string | null
  readonly virtualAccount: Readonly<Record<string, unknown>> | null
  readonly cancels: ReadonlyArray<TossCancel> | null
  readonly [field: string]: unknown
}

const WON = (world: World) => world.int(10, 3000) * 100
const tax = (amount: number, currency: string) => (currency === "KRW" ? Math.round(amount / 11) : 0)
const transactionKey = (world: World) => world.hex(32).toUpperCase()

const blank = (world: World, currency: string, totalAmount: number): TossPayment => {
  const at = world.later()
  const paymentKey = `tgen_${compact(at)}${world.mixed(8)}`
  const vat = tax(totalAmount, currency)
  return {
    mId: "tgen_docs",
    lastTransactionKey: null,
    paymentKey,
    orderId: world.mixed(22),
    orderName: "토스 티셔츠 외 2건",
    taxExemptionAmount: 0,
    status: "READY",
    requestedAt: withOffset(at),
    approvedAt: null,
    useEscrow: false,
    cultureExpense: false,
    card: null,
    virtualAccount: null,
    transfer: null,
    mobilePhone: null,
    giftCertificate: null,
    cashReceipt: null,
    cashReceipts: null,
    discount: null,
    cancels: null,
    secret: `ps_${world.mixed(28)}`,
    type: "NORMAL",
    easyPay: null,
    country: "KR",
    failure: null,
    isPartialCancelable: true,
    receipt: {
      url: `https://dashboard.tosspayments.com/receipt/redirection?transactionId=${paymentKey}&ref=PX`
    },
    checkout: { url: `https://api.tosspayments.com/v1/payments/${paymentKey}/checkout` },
    currency,
    totalAmount,
    balanceAmount: totalAmount,
    suppliedAmount: totalAmount - vat,
    vat,
    taxFreeAmount: 0,
    method: null,
    version: "2022-11-16",
    metadata: null
  }
}

/** A card payment that the buyer has begun. Few are in dollars: amounts with a fraction, as JSON numbers. */
export const card = (world: World): TossPayment => {
  const foreign = world.chance(0.1)
  const payment = blank(world, foreign ? "USD" : "KRW", foreign ? world.cents(400) / 100 : WON(world))
  return {
    ...payment,
    method: "카드",
    card: {
      issuerCode: "61",
      acquirerCode: "31",
      number: `4330${world.text("0123456789", 4)}****${world.text("0123456789", 3)}*`,
      installmentPlanMonths: 0,
      isInterestFree: false,
      interestPayer: null,
      approveNo: world.text("0123456789", 8),
      useCardPoint: false,
      cardType: "신용",
      ownerType: "개인",
      acquireStatus: "READY",
      amount: payment.totalAmount
    }
  }
}

/** A virtual account that was issued and waits for its deposit. */
export const virtualAccount = (world: World): TossPayment => ({
  ...blank(world, "KRW", WON(world)),
  status: "WAITING_FOR_DEPOSIT",
  lastTransactionKey: transactionKey(world),
  method: "가상계좌",
  virtualAccount: {
    accountType: "일반",
    accountNumber: `X${world.text("0123456789", 13)}`,
    bankCode: "20",
    customerName: "김토스",
    dueDate: withOffset(world.later() + 86_400_000),
    refundStatus: "NONE",
    expired: false,
    settlementStatus: "INCOMPLETED",
    refundReceiveAccount: null
  }
})

export const approve = (world: World, payment: TossPayment): TossPayment => ({
  ...payment,
  status: "DONE",
  lastTransactionKey: transactionKey(world),
  approvedAt: withOffset(world.later())
})

/** The bank takes the deposit back: a legal step backwards, DONE to WAITING_FOR_DEPOSIT. */
export const withdraw = (world: World, payment: TossPayment): TossPayment => ({
  ...payment,
  status: "WAITING_FOR_DEPOSIT",
  lastTransactionKey: transactionKey(world),
  approvedAt: null
})

/** Gives back a part, or all that is left. */
export const cancel = (world: World, payment: TossPayment, amount: number): TossPayment => {
  const key = transactionKey(world)
  const balanceAmount = Math.round((payment.balanceAmount - amount) * 100) / 100
  return {
    ...payment,
    status: balanceAmount === 0 ? "CANCELED" : "PARTIAL_CANCELED",
    lastTransactionKey: key,
    balanceAmount,
    suppliedAmount: balanceAmount - tax(balanceAmount, payment.currency),
    vat: tax(balanceAmount, payment.currency),
    cancels: [
      ...(payment.cancels ?? []),
      {
        transactionKey: key,
        cancelReason: "고객이 취소를 원함",
        taxExemptionAmount: 0,
        canceledAt: withOffset(world.later()),
        cardDiscountAmount: 0,
        transferDiscountAmount: 0,
        easyPayDiscountAmount: 0,
        receiptKey: null,
        cancelAmount: amount,
        taxFreeAmount: 0,
        refundableAmount: balanceAmount,
        cancelStatus: "DONE",
        cancelRequestId: null
      }
    ]
  }
}

/** Ends without money: the bank says no, or nobody pays in time. */
export const end = (payment: TossPayment, status: "ABORTED" | "EXPIRED"): TossPayment => ({
  ...payment,
  status,
  failure:
    status === "ABORTED"
      ? { code: "REJECT_CARD_COMPANY", message: "결제 승인이 거절되었습니다." }
      : { code: "PAYMENT_EXPIRED", message: "결제 유효 시간이 만료되었습니다." }
})
