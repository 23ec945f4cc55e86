import type { IncomingMessage } from "node:http"
import { type Answer, basicAuth, json } from "./Answer.ts"
import type { Deposits } from "./Deposits.ts"
import type { Identity } from "./Identity.ts"
import * as TossLedger from "./TossLedger.ts"

const refused = (status: number, code: string, message: string) => json(status, { code, message })

/** Toss's payment look-up by payment key and by order id, and its list of transactions, with its own error bodies. */
export const make =
  (identity: Identity, deposits: Deposits) =>
  (request: IncomingMessage, path: string): Answer => {
    const given = basicAuth(request)
    if (given === undefined || given.user !== identity.tossSecretKey || given.password !== "")
      return refused(401, "UNAUTHORIZED_KEY", "인증되지 않은 시크릿 키 혹은 클라이언트 키 입니다.")
    if (request.method === "GET" && path === "/v1/transactions") {
      const query = new URL(request.url ?? "", "http://toss").searchParams
      const page = TossLedger.page(deposits.arrivals(), query)
      return page === undefined ? refused(400, "INVALID_REQUEST", "잘못된 요청입니다.") : json(200, page)
    }
    const match = /^\/v1\/payments\/(orders\/)?([^/]+)$/.exec(path)
    if (request.method !== "GET" || match === null)
      return refused(404, "NOT_FOUND", "존재하지 않는 정보 입니다.")

    const id = decodeURIComponent(match[2]!)
    if (id.length > 200) return refused(400, "INVALID_PAYMENT_KEY", "잘못된 결제 키 입니다.")
    const payment = match[1] === undefined ? deposits.payment(id) : deposits.paymentOfOrder(id)
    return payment === undefined
      ? refused(404, "NOT_FOUND_PAYMENT", "존재하지 않는 결제 정보 입니다.")
      : { status: 200, body: payment, type: "application/json" }
  }
