import { Buffer } from "node:buffer"
import { verify } from "node:crypto"
import { Clock, Effect } from "effect"
import type { Delivery } from "../../domain/Delivery.ts"
import { SignatureInvalid } from "../../domain/Provider.ts"
import { crc32 } from "./Crc32.ts"
import type { SigningCertificate } from "./PayPalCertificateChain.ts"
import type { Certificates } from "./PayPalCertificates.ts"
import { readTransmission } from "./PayPalTransmission.ts"

/**
 * How long a delivery signed by a certificate may come in after that certificate has expired: the provider's window of
 * redelivery in our promise. Without such a limit a key that leaks years later could sign with a time of long ago.
 */
const EXPIRED_GRACE_MS = 30 * 86_400_000

export interface SignatureRule {
  readonly webhookId: string
  readonly keyRetentionMs: number
  readonly isAllowedUrl: (url: string) => boolean
  readonly certificates: Certificates
}

/** The certificate must have been valid when the delivery was signed, and must not have been expired for long by now. */
const dateProblem = (certificate: SigningCertificate, sentAt: number, now: number) => {
  if (sentAt < certificate.notBefore) return "certificate_not_yet_valid"
  if (sentAt > certificate.notAfter || now > certificate.notAfter + EXPIRED_GRACE_MS)
    return "certificate_expired"
  return undefined
}

/**
 * Verifies a delivery: RSA PKCS#1 v1.5, SHA-256, over `id|time|webhook id|CRC-32 of the body`. Cheap checks come first,
 * a request for the certificate last. Returns what the signature covers of the body: its CRC-32, which is why one
 * transmission may carry one body only.
 */
export const verifyTransmission = Effect.fnUntraced(function* (delivery: Delivery, rule: SignatureRule) {
  const now = yield* Clock.currentTimeMillis
  const transmission = yield* Effect.fromResult(readTransmission(delivery, now, rule.keyRetentionMs))
  if (!rule.isAllowedUrl(transmission.certificateUrl))
    return yield* new SignatureInvalid({ reason: "certificate_url" })
  const certificate = yield* rule.certificates.get(transmission.certificateUrl)
  const reason = dateProblem(certificate, transmission.sentAt, now)
  if (reason !== undefined) return yield* new SignatureInvalid({ reason })
  const crc = crc32(delivery.body)
  const signed = Buffer.from(`${transmission.id}|${transmission.time}|${rule.webhookId}|${crc}`)
  if (!verify("sha256", signed, certificate.key, transmission.signature)) {
    return yield* new SignatureInvalid({ reason: "signature_mismatch" })
  }
  return { id: transmission.id, crc32: crc }
})
