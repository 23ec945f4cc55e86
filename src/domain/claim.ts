import { Effect } from "effect"
import type { Delivery } from "./Delivery.ts"
import { type ClaimAnswer, GateStore } from "./GateStore.ts"
import { type Provider, SignatureInvalid } from "./Provider.ts"

/**
 * Verifies a delivery as far as the request itself allows, names its event and asks for the claim. Nothing is stored,
 * and no key derived, before it is verified.
 */
export const claim = Effect.fnUntraced(function* (
  provider: Provider,
  delivery: Delivery,
  trace: string | null
) {
  const identity = yield* provider.identify(delivery)
  const store = yield* GateStore
  const answer = yield* store.claim({ delivery, identity, trace })
  if (answer._tag === "Forged") return yield* new SignatureInvalid({ reason: "forged" })
  return { identity, answer: answer as Exclude<ClaimAnswer, { _tag: "Forged" }> }
})
