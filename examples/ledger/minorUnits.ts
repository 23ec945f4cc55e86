import { Unprocessable } from "oncegate/consumer"

/** ISO 4217: digits after the point. A currency that is missing here is refused, never guessed. */
export const DECIMALS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS INR MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"
      .split(" ")
      .map((code) => [code, 2])
  ),
  ...Object.fromEntries("CLP ISK JPY KRW PYG VND XAF XOF".split(" ").map((code) => [code, 0])),
  ...Object.fromEntries("BHD JOD KWD OMR TND".split(" ").map((code) => [code, 3]))
}

/** `"10.5"`, `"USD"` -> `1050n`, by moving the point in the text. Fails where a fraction of the smallest unit is left. */
export const toMinor = ({ value, currency }: { readonly value: string; readonly currency: string }) => {
  const decimals = DECIMALS[currency]
  if (decimals === undefined) throw new Unprocessable({ reason: "currency_unknown" })
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value)
  if (found === null) throw new Unprocessable({ reason: "amount_unreadable" })
  const [, sign, whole, fraction = ""] = found
  if (/[^0]/.test(fraction.slice(decimals))) throw new Unprocessable({ reason: "amount_too_fine" })
  return BigInt(`${sign}${whole}${fraction.slice(0, decimals).padEnd(decimals, "0")}`)
}

/** `1050n`, 2 -> `"10.50"` */
export const fromMinor = (minor: bigint, decimals: number) => {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(decimals + 1, "0")
  const point = digits.length - decimals
  return `${minor < 0n ? "-" : ""}${digits.slice(0, point)}${decimals > 0 ? `.${digits.slice(point)}` : ""}`
}
