import { Buffer } from "node:buffer"

/**
 * The bytes of standard base64 in its one canonical spelling, else undefined. Buffer.from alone also takes base64url,
 * stops at the first foreign character and ignores what follows.
 */
export const decodeBase64 = (text: string): Uint8Array | undefined => {
  const bytes = Buffer.from(text, "base64")
  return bytes.length > 0 && bytes.toString("base64") === text ? bytes : undefined
}
