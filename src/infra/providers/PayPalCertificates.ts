import { Buffer } from "node:buffer"
import { Cache, Clock, Effect } from "effect"
import type { Environment } from "../../domain/Endpoint.ts"
import { type SignatureInvalid, VerificationUnavailable } from "../../domain/Provider.ts"
import { admit, readAnchors, type SigningCertificate } from "./PayPalCertificateChain.ts"
import { ask } from "./ProviderHttp.ts"

const TIME_LIMIT_MS = 5_000
const SIZE_LIMIT = 65_536

/** PayPal has had one or two certificates in use at a time. */
const KEPT = 16
/**
 * Kept no longer than this, though valid for a year: whether PayPal ever serves a new certificate under an old URL is
 * not known, and a revoked one has been seen.
 */
const KEPT_MS = 12 * 3_600_000

/**
 * Anyone can invent certificate ids, and each costs a request to PayPal. Failures are remembered for some seconds, and
 * requests for unknown URLs are limited; URLs already known are served all the while, as invented ones cannot push
 * them out.
 */
const FAILURE_KEPT_MS = 5_000
const FAILURES_KEPT = 256
const WINDOW_MS = 10_000
const REQUESTS_PER_WINDOW = 10

export interface Certificates {
  readonly get: (url: string) => Effect.Effect<SigningCertificate, SignatureInvalid | VerificationUnavailable>
}

export interface CertificatesOptions {
  readonly environment: Environment
  readonly extraAnchors: ReadonlyArray<string>
  /** Certificates that need not be fetched, by URL; issuer, name and dates are checked all the same. */
  readonly known: ReadonlyMap<string, string>
}

/** Signing certificates by URL. The URL must have passed the URL rule. */
export const makeCertificates = Effect.fnUntraced(function* (options: CertificatesOptions) {
  const anchors = readAnchors(options.extraAnchors)
  const admitted = new Map<string, { readonly certificate: SigningCertificate; readonly until: number }>()
  let window = { start: 0, requests: 0 }

  const fetchPem = Effect.fnUntraced(function* (url: string) {
    const known = options.known.get(url)
    if (known !== undefined) return known
    const now = yield* Clock.currentTimeMillis
    if (Math.abs(now - window.start) >= WINDOW_MS) window = { start: now, requests: 0 }
    if (++window.requests > REQUESTS_PER_WINDOW) {
      return yield* new VerificationUnavailable({ reason: "certificate_requests_limited" })
    }
    const headers = { accept: "*/*" }
    const answer = yield* ask({ url, headers, timeLimitMs: TIME_LIMIT_MS, sizeLimit: SIZE_LIMIT }).pipe(
      Effect.mapError(() => new VerificationUnavailable({ reason: "certificate_unreachable" }))
    )
    if (answer.status !== 200)
      return yield* new VerificationUnavailable({ reason: "certificate_unreachable" })
    return Buffer.from(answer.body).toString("latin1")
  })

  /** Holds what is under way, so that many deliveries share one request, and what failed a moment ago. */
  const lookups = yield* Cache.makeWith(
    (url: string) =>
      Effect.flatMap(fetchPem(url), (pem) => Effect.fromResult(admit(pem, anchors, options.environment))),
    { capacity: FAILURES_KEPT, timeToLive: () => FAILURE_KEPT_MS }
  )

  const get = Effect.fnUntraced(function* (url: string) {
    const now = yield* Clock.currentTimeMillis
    const kept = admitted.get(url)
    if (kept !== undefined && now < kept.until) return kept.certificate
    const certificate = yield* Cache.get(lookups, url)
    admitted.delete(url)
    const [oldest] = admitted.keys()
    if (admitted.size >= KEPT && oldest !== undefined) admitted.delete(oldest)
    admitted.set(url, { certificate, until: Math.min(certificate.notAfter, now + KEPT_MS) })
    return certificate
  })
  return { get } satisfies Certificates
})
