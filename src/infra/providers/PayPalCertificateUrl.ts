import type { Environment } from "../../domain/Endpoint.ts"

const LIVE = ["https://api.paypal.com", "https://api-m.paypal.com"]
const SANDBOX = ["https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"]

/** A sandbox takes live certificates too: PayPal's own webhook simulator signs with the live one. Never the other way. */
const ORIGINS: Readonly<Record<Environment, ReadonlyArray<string>>> = {
  live: LIVE,
  sandbox: [...SANDBOX, ...LIVE],
  // Only an origin given by the operator.
  simulated: []
}

const CERTIFICATE = "/v1/notifications/certs/[A-Za-z0-9_-]{1,100}"

const literally = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&")

/**
 * Whether a certificate may be fetched from this URL. The text is compared, not a parsed URL: user info, dots in the
 * path, percent signs, look-alike hosts, query and fragment have no way to be spelled.
 * `certOrigin` (tests only) takes the place of PayPal's hosts.
 */
export const urlRule = (
  environment: Environment,
  certOrigin: string | undefined
): ((url: string) => boolean) => {
  const origins = (certOrigin === undefined ? ORIGINS[environment] : [certOrigin]).map(literally)
  const port = certOrigin === undefined ? "(?::443)?" : ""
  const rules = origins.map((origin) => new RegExp(`^${origin}${port}${CERTIFICATE}$`, "u"))
  if (environment === "sandbox" && certOrigin === undefined) {
    // The sample of PayPal's Java SDK (a genuine sandbox delivery of 2017) names this one path beside `certs`. It is
    // PayPal's own host, and whatever it serves must still be a certificate of PayPal's.
    rules.push(/^https:\/\/api\.sandbox\.paypal\.com\/v1\/notifications\/test$/u)
  }
  return (url) => url.length <= 500 && rules.some((rule) => rule.test(url))
}
