import { X509Certificate } from "node:crypto"

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** One or several certificates as PEM; undefined where there is none, or one that cannot be read. */
export const authorityOf = (text: string): string | undefined => {
  const blocks = text.match(BLOCK) ?? []
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    return undefined
  }
  return blocks.length === 0 ? undefined : blocks.join("\n")
}
