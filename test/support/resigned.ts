import { randomUUID, sign } from "node:crypto"
import { crc32 } from "../../src/infra/providers/Crc32.ts"
import type { ProvidersUnderTest } from "./Gate.ts"

/** Headers of a fresh transmission of this body, signed as PayPal would. */
export const resigned = ({ signer }: ProvidersUnderTest, body: Uint8Array): Record<string, string> => {
  const id = randomUUID()
  const time = `${new Date().toISOString().slice(0, 19)}Z`
  return {
    "content-type": "application/json",
    "paypal-transmission-id": id,
    "paypal-transmission-time": time,
    "paypal-transmission-sig": sign(
      "sha256",
      Buffer.from(`${id}|${time}|${signer.webhookId}|${crc32(body)}`),
      signer.privateKey
    ).toString("base64"),
    "paypal-cert-url": signer.certificateUrl,
    "paypal-auth-algo": "SHA256withRSA"
  }
}
