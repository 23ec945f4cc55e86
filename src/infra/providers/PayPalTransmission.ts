import { Result } from "effect"
import { type Delivery, singleHeader } from "../../domain/Delivery.ts"
import { SignatureInvalid } from "../../domain/Provider.ts"
import { decodeBase64 } from "./Base64.ts"
import { epochMs } from "./ProviderTime.ts"

/** What the headers of a delivery claim; nothing of it is verified yet. */
export interface TransmissionHeaders {
  readonly id: string
  readonly time: string
  readonly sentAt: number
  readonly signature: Uint8Array
  readonly certificateUrl: string
}

/** Genuine ids are UUIDs; the specification allows 50 characters. No `|`, which parts the fields of the signed text. */
const ID = /^[A-Za-z0-9-]{1,50}$/u

/**
 * PayPal's clock is right, so a time ahead of ours means that ours is slow. A day allows for that; a signed time
 * beyond it is no delivery of today, and refusing it costs a webhook nothing: PayPal sends again for three days.
 */
const FUTURE_TOLERANCE_MS = 86_400_000

const invalid = (reason: string) => Result.fail(new SignatureInvalid({ reason }))

/** Reads the five headers (they have no `X-`), each sent exactly once, and checks all that costs nothing to check. */
export const readTransmission = (
  delivery: Delivery,
  now: number,
  keyRetentionMs: number
): Result.Result<TransmissionHeaders, SignatureInvalid> => {
  const names = ["id", "time", "sig"].map((part) => `paypal-transmission-${part}`)
  const values: Array<string> = []
  for (const name of [...names, "paypal-cert-url", "paypal-auth-algo"]) {
    const value = singleHeader(delivery, name)
    if (value === undefined) {
      return invalid((delivery.headers[name]?.length ?? 0) > 1 ? "header_repeated" : "header_missing")
    }
    values.push(value)
  }
  const [id = "", time = "", encoded = "", certificateUrl = "", algorithm] = values
  // The only algorithm PayPal has ever used: taking the header's word would let the sender choose a weaker one.
  if (algorithm !== "SHA256withRSA") return invalid("algorithm")
  if (!ID.test(id)) return invalid("transmission_id")
  const sentAt = epochMs(time)
  if (sentAt === undefined) return invalid("transmission_time")
  // Deliveries and their effects are remembered that long: an older copy could not be told from a new event.
  if (sentAt < now - keyRetentionMs) return invalid("transmission_too_old")
  if (sentAt > now + FUTURE_TOLERANCE_MS) return invalid("transmission_in_future")
  const signature = decodeBase64(encoded)
  if (signature === undefined) return invalid("signature_format")
  return Result.succeed({ id, time, sentAt, signature, certificateUrl })
}
