import { createPrivateKey, type KeyObject, sign } from "node:crypto"
import { crc32 } from "../providers/Crc32.ts"
import type { SeededRandom } from "./SeededRandom.ts"

/** What PayPal signs with, and where its certificate is fetched from. */
export interface PayPalSigner {
  readonly privateKey: KeyObject
  readonly webhookId: string
  readonly certificateUrl: string
}

export const makeSigner = (
  identity: { readonly privateKeyPem: string; readonly webhookId: string; readonly certificateId: string },
  origin: string
): PayPalSigner => ({
  privateKey: createPrivateKey(identity.privateKeyPem),
  webhookId: identity.webhookId,
  certificateUrl: `${origin}/v1/notifications/certs/${identity.certificateId}`
})

const HEX = "0123456789abcdef"

/** PayPal's transmission ids are UUIDs of version 1. */
const transmissionId = (random: SeededRandom) =>
  [
    random.text(HEX, 8),
    random.text(HEX, 4),
    `1${random.text(HEX, 3)}`,
    `${random.text("89ab", 1)}${random.text(HEX, 3)}`,
    random.text(HEX, 12)
  ].join("-")

/** The headers of one transmission: RSA PKCS#1 v1.5, SHA-256, over id, time, webhook id and the body's CRC-32. */
const transmission = (signer: PayPalSigner, random: SeededRandom, body: Uint8Array, at: number) => {
  const id = transmissionId(random)
  const time = `${new Date(at).toISOString().slice(0, 19)}Z`
  const signed = `${id}|${time}|${signer.webhookId}|${crc32(body)}`
  return {
    "content-type": "application/json",
    "user-agent": "PayPal/AUHD-214.0-58391792",
    "paypal-transmission-id": id,
    "paypal-transmission-time": time,
    "paypal-transmission-sig": sign("sha256", Buffer.from(signed), signer.privateKey).toString("base64"),
    "paypal-cert-url": signer.certificateUrl,
    "paypal-auth-algo": "SHA256withRSA",
    "paypal-auth-version": "v2",
    "correlation-id": random.text(HEX, 13)
  }
}

/** Most copies repeat the first transmission; some are transmitted anew: same event, other id, time and signature. */
export const transmissions = (
  signer: PayPalSigner,
  random: SeededRandom,
  body: Uint8Array,
  copies: number,
  at: number
) => {
  const first = transmission(signer, random, body, at)
  return Array.from({ length: copies }, (_, index) =>
    index > 0 && random.chance(0.15) ? transmission(signer, random, body, at + index * 1000) : first
  )
}
