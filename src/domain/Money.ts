import { Schema } from "effect"

/** An amount as the provider means it: a decimal string, never a float, and an ISO 4217 code. */
export const Money = Schema.Struct({
  value: Schema.String.check(Schema.isPattern(/^-?[0-9]{1,20}(\.[0-9]{1,8})?$/u)).annotate({
    description:
      "In units of the currency (not cents), a decimal string as the provider wrote it; never to be read as a float. `10.5` and `10.50` are the same amount",
    examples: ["42.50", "15000"]
  }),
  currency: Schema.String.check(Schema.isPattern(/^[A-Z]{3}$/u)).annotate({
    description: "ISO 4217",
    examples: ["USD", "KRW"]
  })
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
