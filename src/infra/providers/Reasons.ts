/** Every reason an adapter gives for not taking a delivery, in words for the person who asks why. */
const SENTENCES: Readonly<Record<string, string>> = {
  header_missing:
    "A header that the signature needs is missing or empty. PayPal's headers have no X- before them.",
  header_repeated: "A header that identifies or signs the delivery was sent more than once.",
  algorithm: "paypal-auth-algo is not SHA256withRSA, the only algorithm PayPal uses.",
  transmission_id: "The transmission id has a form that PayPal never uses.",
  transmission_time: "The transmission time is not a time with an offset.",
  transmission_too_old:
    "The delivery was signed longer ago than keys are kept. For an old sample set the clock with --at.",
  transmission_in_future:
    "The delivery was signed more than a day after the present time. Check the clock, or --at.",
  signature_format: "The signature is not written as the provider writes it.",
  signature_mismatch:
    "The signature does not fit the body, the transmission, or the webhook id or key it was checked with.",
  certificate_url:
    "The certificate's address is not one of PayPal's for this environment. Nothing was fetched.",
  certificate_unreachable:
    "The certificate could not be fetched, so nothing can be said yet. Give one with --cert.",
  certificate_requests_limited:
    "Too many unknown certificates were asked for in a short time. Nothing was fetched.",
  certificate_unreadable: "What stands at the certificate's address is not a certificate.",
  certificate_issuer_unknown:
    "The certificate was issued by an authority this gate does not know. If PayPal changed its authority, give the new one in PAYPAL_CA_FILE.",
  certificate_name: "The certificate is not one for PayPal's messages.",
  certificate_key: "The certificate's key is not an RSA key.",
  certificate_not_yet_valid: "The delivery was signed before its certificate was valid.",
  certificate_expired:
    "The delivery was signed after its certificate expired, or it comes in long after that.",
  no_identity: "Neither a header nor the body holds anything that the event could be known by.",
  not_utf8: "The body is not UTF-8.",
  not_json: "The body is not JSON.",
  not_an_object: "The body is JSON, but not an object.",
  too_deep: "The body is nested too deeply.",
  too_many_keys: "The body has too many keys.",
  duplicate_key: "A key stands twice in one object of the body, so two readers could read two things.",
  forbidden_key: "The body has a key that JavaScript could mistake for its own.",
  lone_surrogate: "A text in the body has half a character."
}

export const inWords = (reason: string) => SENTENCES[reason] ?? reason
