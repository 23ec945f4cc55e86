import { createHash } from "node:crypto"

/** RFC 9562, appendix: the namespace of URLs. */
const NAMESPACE_URL = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex")

/** UUIDv5 of a billing fact: the same fact has the same `ce_id` for ever, whoever publishes it. */
export const factId = (endpoint: string, effectKey: string) => {
  const bytes = createHash("sha1").update(NAMESPACE_URL).update(`oncegate:${endpoint}:${effectKey}`).digest()
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString("hex", 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
