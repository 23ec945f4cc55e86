/** What is wrong with the certificate on the other side; the same words whatever runtime met it. */
export type TlsFault = "TLS_UNKNOWN_AUTHORITY" | "TLS_WRONG_HOST" | "TLS_CERTIFICATE_EXPIRED" | "TLS_FAILED"

// Node names them by code (OpenSSL's), Deno by the words of its own library, in the message alone.
const FAULTS: ReadonlyArray<readonly [RegExp, TlsFault]> = [
  [/ERR_TLS_CERT_ALTNAME_INVALID|NotValidForName/, "TLS_WRONG_HOST"],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate: (Expired|NotValidYet)/, "TLS_CERTIFICATE_EXPIRED"],
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)|UnknownIssuer|CaUsedAsEndEntity|BadSignature/,
    "TLS_UNKNOWN_AUTHORITY"
  ],
  [/^ERR_(SSL|TLS)_|EPROTO|invalid peer certificate|InvalidContentType|wrong version number/, "TLS_FAILED"]
]

/** Finds a fault of TLS in what a driver threw, by code or by message; nothing of the message is passed on. */
export const tlsFault = (thrown: unknown): TlsFault | undefined => {
  if (typeof thrown !== "object" || thrown === null) return undefined
  const { code, message } = thrown as { code?: unknown; message?: unknown }
  const words = [code, message].filter((text) => typeof text === "string")
  return FAULTS.find(([pattern]) => words.some((text) => pattern.test(text)))?.[1]
}

export const isTlsFault = (code: string): code is TlsFault => FAULTS.some(([, fault]) => fault === code)
