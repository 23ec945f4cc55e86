import { type KeyObject, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { Result } from "effect"
import type { Environment } from "../../domain/Endpoint.ts"
import { SignatureInvalid, VerificationUnavailable } from "../../domain/Provider.ts"

/** A certificate whose issuer and name have been checked; its dates are checked with each delivery. */
export interface SigningCertificate {
  readonly key: KeyObject
  readonly notBefore: number
  readonly notAfter: number
}

/**
 * Issuer and root of PayPal's signing certificates from 2015 to this day. Carried along because the runtimes differ:
 * Node 24 no longer trusts this root, Deno 2.9 does.
 */
const CARRIED = ["DigiCertSHA2ExtendedValidationServerCA.pem", "DigiCertHighAssuranceEVRootCA.pem"]

const LIVE_NAME = "messageverificationcerts.paypal.com"
const SANDBOX_NAME = "messageverificationcerts.sandbox.paypal.com"

const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/gu

/** The carried anchors and those of the given PEM texts. Throws where one of them is no certificate: a start-up error. */
export const readAnchors = (extra: ReadonlyArray<string>): ReadonlyArray<X509Certificate> => {
  const carried = CARRIED.map((name) => readFileSync(new URL(`./anchors/${name}`, import.meta.url), "utf8"))
  return [...carried, ...extra]
    .flatMap((text) => text.match(PEM) ?? [])
    .map((pem) => new X509Certificate(pem))
}

const parse = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem.match(PEM)?.[0] ?? "")
  } catch {
    return undefined
  }
}

const isIssuedBy = (leaf: X509Certificate, anchor: X509Certificate): boolean => {
  try {
    return anchor.ca && leaf.checkIssued(anchor) && leaf.verify(anchor.publicKey)
  } catch {
    return false // kinds of key that do not fit each other
  }
}

/**
 * Exactly this name, in the alternative names, or as common name where there are none; no wildcard stands for it.
 * The list is compared here because Deno's checkHost takes the common name although there are alternative names.
 */
const isNamed = (leaf: X509Certificate, name: string): boolean =>
  leaf.subjectAltName === undefined
    ? leaf.checkHost(name) === name
    : leaf.subjectAltName.split(", ").includes(`DNS:${name}`)

/**
 * The signing certificate in a PEM text, if one of the anchors issued it and it bears PayPal's name. Every anchor is
 * trusted as it is, so one step suffices. An issuer that is not known is no proof of forgery (PayPal may have changed
 * its authority), so it is VerificationUnavailable; a wrong name under a known issuer is a forgery.
 */
export const admit = (
  pem: string,
  anchors: ReadonlyArray<X509Certificate>,
  environment: Environment
): Result.Result<SigningCertificate, SignatureInvalid | VerificationUnavailable> => {
  const leaf = parse(pem)
  if (leaf === undefined)
    return Result.fail(new VerificationUnavailable({ reason: "certificate_unreadable" }))
  const issuer = anchors.find((anchor) => isIssuedBy(leaf, anchor))
  if (issuer === undefined) {
    return Result.fail(new VerificationUnavailable({ reason: "certificate_issuer_unknown" }))
  }
  const names = environment === "live" ? [LIVE_NAME] : [LIVE_NAME, SANDBOX_NAME]
  if (!names.some((name) => isNamed(leaf, name))) {
    return Result.fail(new SignatureInvalid({ reason: "certificate_name" }))
  }
  if (leaf.publicKey.asymmetricKeyType !== "rsa") {
    return Result.fail(new SignatureInvalid({ reason: "certificate_key" }))
  }
  return Result.succeed({
    key: leaf.publicKey,
    notBefore: Math.max(Date.parse(leaf.validFrom), Date.parse(issuer.validFrom)),
    notAfter: Math.min(Date.parse(leaf.validTo), Date.parse(issuer.validTo))
  })
}
