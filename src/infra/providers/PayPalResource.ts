import { at, decimalAt, idAt, listAt, textAt } from "./JsonFields.ts"
import type { Json } from "./StrictJson.ts"

/** An amount as it stands under a key, in either format, or null where there is none. */
export const amountAt = (value: Json | undefined, ...path: ReadonlyArray<string>) => {
  const amount = at(value, ...path) ?? null
  return amount === null
    ? null
    : {
        value: decimalAt(amount, "value") ?? decimalAt(amount, "total"),
        currency: textAt(amount, "currency_code") ?? textAt(amount, "currency")
      }
}

/** The same, for a fact that is none without its amount: missing is undefined, which the schema refuses. */
export const requiredAmountAt = (value: Json | undefined, ...path: ReadonlyArray<string>) =>
  amountAt(value, ...path) ?? undefined

/**
 * The amount of money that went back. Some v1 refunds are written with a minus sign and others are not; the type of the
 * fact says the direction, so the sign is dropped.
 */
export const returnedAmountAt = (value: Json | undefined, ...path: ReadonlyArray<string>) => {
  const amount = requiredAmountAt(value, ...path)
  return amount === undefined ? undefined : { ...amount, value: amount.value?.replace(/^-/u, "") }
}

const CAPTURE_LINK = /\/(?:captures?|sales?)\/([^/?#]+)$/u

/**
 * The capture or sale that a refund belongs to. The id of the refund itself stands in `resource.id`; its capture is in a
 * v1 field or in a link, and only in a link that leads to a capture or sale (an order can be `up`, too).
 */
export const parentOf = (resource: Json | undefined): string | undefined =>
  idAt(resource, "sale_id") ??
  idAt(resource, "capture_id") ??
  listAt(resource, "links")
    .filter((link) => ["up", "sale", "capture"].includes(textAt(link, "rel") ?? ""))
    .map((link) => idAt(CAPTURE_LINK.exec(textAt(link, "href") ?? "")?.[1]))
    .find((id) => id !== undefined)
