import { Effect, Result } from "effect"
import type { Delivery } from "../domain/Delivery.ts"
import type { Identity, Interpretation, ProcessFailed, Provider } from "../domain/Provider.ts"
import { inWords } from "../infra/providers/Reasons.ts"

/** What the gate would make of a delivery. */
export interface Explanation {
  readonly endpoint: string
  /** `unsigned`: taken, but only what the provider's API answers is booked. `unknown`: to be sent again. */
  readonly verdict: "verified" | "unsigned" | "rejected" | "unknown"
  /** The status the provider would get. */
  readonly answer: 200 | 400 | 401 | 503
  readonly reason: string | null
  readonly in_words: string
  readonly dedup_key: string | null
  readonly event_type: string | null
  readonly quarantine: boolean
  readonly transmission: Identity["transmission"]
  readonly effect_keys: ReadonlyArray<string>
  readonly billing_events: Interpretation["facts"]
  readonly note: string | null
  readonly failure: { readonly kind: string; readonly code: string } | null
  /** The question to the provider's API that was not asked for want of a key. */
  readonly would_ask: string | null
}

const NOTHING = {
  reason: null,
  dedup_key: null,
  event_type: null,
  quarantine: false,
  transmission: null,
  effect_keys: [],
  billing_events: [],
  note: null,
  failure: null,
  would_ask: null
} satisfies Partial<Explanation>

/** Runs a delivery through an adapter. `wouldAsk` is an address that cannot be asked for now: then nothing is interpreted. */
export const explainDelivery = Effect.fnUntraced(function* (
  provider: Provider,
  delivery: Delivery,
  options: { readonly wouldAsk: string | null; readonly unsigned: boolean }
): Effect.fn.Return<Explanation> {
  const endpoint = provider.endpoint.name
  const identified = yield* Effect.result(provider.identify(delivery))
  if (Result.isFailure(identified)) {
    const { _tag, reason } = identified.failure
    const answer = _tag === "SignatureInvalid" ? 401 : _tag === "PayloadInvalid" ? 400 : 503
    const verdict = answer === 503 ? "unknown" : "rejected"
    return { endpoint, verdict, answer, ...NOTHING, reason, in_words: inWords(reason) }
  }
  const { dedupKey, eventType, quarantine, transmission } = identified.success
  const known = {
    endpoint,
    verdict: options.unsigned ? ("unsigned" as const) : ("verified" as const),
    answer: 200 as const,
    ...NOTHING,
    in_words: quarantine
      ? "The delivery is genuine, but its body is no JSON object: it is kept and shown, and never processed."
      : options.unsigned
        ? "The provider does not sign this type: only what its API answers is booked."
        : "The delivery is genuine.",
    dedup_key: dedupKey,
    event_type: eventType,
    quarantine,
    transmission,
    would_ask: options.wouldAsk
  }
  if (quarantine || options.wouldAsk !== null) return known
  const read = yield* Effect.result(
    provider.interpret({ endpoint: provider.endpoint, dedupKey, body: delivery.body })
  )
  if (Result.isFailure(read)) {
    const { code, kind }: ProcessFailed = read.failure
    return { ...known, failure: { kind, code } }
  }
  const { facts, note } = read.success
  return { ...known, effect_keys: facts.map(({ fact }) => fact.effect_key), billing_events: facts, note }
})

/** The explanation for a person. */
export const render = (told: Explanation): string => {
  const lines = [
    `${told.verdict.toUpperCase()}  ${told.in_words}`,
    `answer        ${told.answer}${told.reason === null ? "" : `  (${told.reason})`}`
  ]
  if (told.dedup_key !== null) lines.push(`dedup key     ${told.dedup_key}`)
  if (told.event_type !== null) lines.push(`event type    ${told.event_type}`)
  if (told.transmission !== null) {
    lines.push(`transmission  ${told.transmission.id}, CRC-32 ${told.transmission.crc32}`)
  }
  if (told.would_ask !== null) {
    lines.push(
      "billing events come from the provider's API; set TOSS_SECRET_KEY to ask it now:",
      `  GET ${told.would_ask}`
    )
  }
  if (told.failure !== null) {
    const next = told.failure.kind === "permanent" ? "parked for a person" : "tried again later"
    lines.push(`processing    fails with ${told.failure.code}: ${next}`)
  }
  if (told.note !== null) lines.push(`no billing event (${told.note})`)
  for (const { fact, onlyAfter } of told.billing_events) {
    const amount = fact.amount === null ? "no amount" : `${fact.amount.value} ${fact.amount.currency}`
    lines.push(
      `billing event ${fact.type}`,
      `  effect key  ${fact.effect_key}`,
      `  payment     ${fact.payment_reference}, ${amount}, at ${fact.occurred_at ?? "no sensible time"}, by ${fact.confirmed_by}`
    )
    if (onlyAfter !== undefined)
      lines.push(`  only where a fact is booked whose effect key starts with ${onlyAfter}`)
  }
  return lines.join("\n")
}
