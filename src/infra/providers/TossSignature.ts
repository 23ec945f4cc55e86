import { Buffer } from "node:buffer"
import { createHmac, timingSafeEqual } from "node:crypto"
import { Redacted, Result } from "effect"
import { type Delivery, singleHeader } from "../../domain/Delivery.ts"
import { SignatureInvalid } from "../../domain/Provider.ts"
import { decodeBase64 } from "./Base64.ts"
import { epochMs } from "./ProviderTime.ts"

export const SIGNATURE_HEADER = "tosspayments-webhook-signature"
const TIME_HEADER = "tosspayments-webhook-transmission-time"

/** Toss sends two values while keys are changed; more than a few would only cost us hashing. */
const MAX_VALUES = 8

/**
 * The MACs in `v1:<base64>,v1:<base64>`; `v1:<base64>,<base64>` is read too, as the documentation can be understood
 * both ways. Undefined where anything else stands there.
 */
const readValues = (header: string): ReadonlyArray<Uint8Array> | undefined => {
  const texts = header.split(",").map((text) => text.trim())
  if (texts.length > MAX_VALUES || !texts[0]?.startsWith("v1:")) return undefined
  const values: Array<Uint8Array> = []
  for (const text of texts) {
    const value = decodeBase64(text.startsWith("v1:") ? text.slice(3) : text)
    if (value === undefined || value.length !== 32) return undefined
    values.push(value)
  }
  return values
}

/** Whether the security key, 64 hex digits, is used as text or as the bytes it stands for is not documented: both are tried. */
const keysOf = (securityKey: Redacted.Redacted): ReadonlyArray<Buffer> => {
  const text = Redacted.value(securityKey)
  const keys = /^(?:[0-9a-f]{2})+$/iu.test(text)
    ? [Buffer.from(text), Buffer.from(text, "hex")]
    : [Buffer.from(text)]
  return keys.filter((key) => key.length > 0) // anyone can sign with an empty key
}

export interface TossSignatureRule {
  readonly securityKeys: ReadonlyArray<Redacted.Redacted>
  readonly keyRetentionMs: number
}

/** Verifies a payout or seller event: HMAC-SHA256 over `{raw body}:{transmission time}` under any of our keys. */
export const verifySignature = (
  delivery: Delivery,
  rule: TossSignatureRule,
  now: number
): Result.Result<void, SignatureInvalid> => {
  const invalid = (reason: string) => Result.fail(new SignatureInvalid({ reason }))
  const header = singleHeader(delivery, SIGNATURE_HEADER)
  const time = singleHeader(delivery, TIME_HEADER)
  if (header === undefined || time === undefined) {
    const names = [SIGNATURE_HEADER, TIME_HEADER]
    return invalid(
      names.some((name) => (delivery.headers[name]?.length ?? 0) > 1) ? "header_repeated" : "header_missing"
    )
  }
  const values = readValues(header)
  if (values === undefined) return invalid("signature_format")
  const sentAt = epochMs(time, "+09:00")
  if (sentAt === undefined) return invalid("transmission_time")
  if (sentAt < now - rule.keyRetentionMs) return invalid("transmission_too_old")
  const matches = rule.securityKeys.flatMap(keysOf).some((key) => {
    const mac = createHmac("sha256", key).update(delivery.body).update(`:${time}`).digest()
    return values.some((value) => timingSafeEqual(mac, value))
  })
  return matches ? Result.succeed(undefined) : invalid("signature_mismatch")
}
