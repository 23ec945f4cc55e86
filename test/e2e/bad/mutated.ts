import type { SeededRandom } from "../../../src/infra/simulator/SeededRandom.ts"
import type { ProvidersUnderTest } from "../../support/Providers.ts"
import { bytesOf } from "./raw.ts"

/** Parts of a request that the signature covers, or without which there is none. */
const VITAL = [
  "paypal-transmission-id",
  "paypal-transmission-time",
  "paypal-transmission-sig",
  "paypal-cert-url",
  "paypal-auth-algo"
]
const ODD = "\u0000\t\"'%;/\\:@{}[]\u00ff 0aZ="

/** A genuine delivery of PayPal with something wrong in it: in one of its headers, in its body, or broken off. */
export const mutated = (providers: ProvidersUnderTest, random: SeededRandom, url: string) => {
  const { body, copies } = providers.capture()
  const headers = new Map(Object.entries(copies[0]!))
  const bytes = Buffer.from(body)
  const name = VITAL[random.int(0, VITAL.length - 1)]!
  const value = headers.get(name)!
  const at = random.int(0, value.length - 1)
  switch (random.int(0, 5)) {
    case 0:
      headers.delete(name)
      break
    case 1:
      headers.set(name, random.text(ODD, random.int(0, 300)).trim())
      break
    case 2:
      headers.set(name, `${value.slice(0, at)}~${value.slice(at + 1)}`)
      break
    case 3:
      headers.set("paypal-cert-url", `https://${random.text(ODD, 5)}.paypal.com/${random.text(ODD, 20)}`)
      break
    case 4:
      bytes[random.int(0, bytes.length - 1)]! ^= 1 << random.int(0, 7)
      break
    default: {
      const whole = bytesOf(url, { path: "/webhooks/paypal", headers: [...headers], body })
      return { bytes: whole.subarray(0, random.int(1, whole.length - 1)), half: true }
    }
  }
  return {
    bytes: bytesOf(url, { path: "/webhooks/paypal", headers: [...headers], body: bytes }),
    half: false
  }
}
