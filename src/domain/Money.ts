import { Schema } from "effect"

/** An amount as the provider means it: a decimal string, never a float, and an ISO 4217 code. */
export const Money = Schema.Struct({
  value: Schema.String.check(Schema.isPattern(/^-?\d{1,20}(\.\d{1,8})?$/u)),
  currency: Schema.String.check(Schema.isPattern(/^[A-Z]{3}$/u))
})
export type Money = typeof Money.Type

/** `10.50`, `10.5` and `010.500` are the same amount: the text under which amounts are compared. */
export const canonicalValue = (value: string) => {
  const negative = value.startsWith("-")
  const [whole = "0", fraction = ""] = (negative ? value.slice(1) : value).split(".")
  const digits = whole.replace(/^0+(?=\d)/, "")
  const decimals = fraction.replace(/0+$/, "")
  const text = decimals === "" ? digits : `${digits}.${decimals}`
  return negative && text !== "0" ? `-${text}` : text
}
