/** An RFC 9457 problem as it leaves the house: constant text, nothing of the request in it. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly body: string
  readonly retryAfter?: string
}

const problem = (status: number, code: string, title: string, retryAfter?: string): Problem => ({
  status,
  code,
  // The type and the codes are the earlier gate's.
  body: JSON.stringify({ type: `urn:dpp:webhook:${code.toLowerCase()}`, title, status, error_code: code }),
  ...(retryAfter === undefined ? {} : { retryAfter })
})

export const signatureInvalid = problem(
  401,
  "WEBHOOK_SIGNATURE_INVALID",
  "The request could not be verified."
)
export const payloadInvalid = problem(
  400,
  "WEBHOOK_INVALID_PAYLOAD",
  "The body is not a webhook of this provider."
)
export const unknownEndpoint = problem(404, "WEBHOOK_UNKNOWN_ENDPOINT", "There is no such endpoint.")
/** Neither a webhook's path nor one of health. */
export const notFound = problem(
  404,
  "NOT_FOUND",
  "There is nothing here: webhooks go to /webhooks/{endpoint}."
)
export const methodNotAllowed = problem(405, "WEBHOOK_METHOD_NOT_ALLOWED", "Webhooks are sent by POST.")
export const tooLarge = problem(413, "WEBHOOK_TOO_LARGE", "The body is larger than this gate accepts.")
export const unsupportedType = problem(
  415,
  "WEBHOOK_UNSUPPORTED_TYPE",
  "Webhooks are sent as application/json, without a content encoding."
)
export const processingFailed = problem(
  500,
  "WEBHOOK_PROCESSING_FAILED",
  "The event is kept and will be tried again.",
  "60"
)
export const unavailable = problem(503, "WEBHOOK_UNAVAILABLE", "Try again later.", "60")
export const overloaded = problem(503, "WEBHOOK_OVERLOADED", "Too much in flight: try again later.", "5")
