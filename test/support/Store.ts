import { createHash } from "node:crypto"
import { Effect, Layer, Redacted } from "effect"
import { BillingFact } from "../../src/domain/BillingFact.ts"
import { DedupKey } from "../../src/domain/DedupKey.ts"
import { EffectKey } from "../../src/domain/EffectKey.ts"
import { EndpointName } from "../../src/domain/Endpoint.ts"
import { type Claim, type ClaimRequest, GateStore } from "../../src/domain/GateStore.ts"
import { Policy, type PolicyShape } from "../../src/domain/Policy.ts"
import type { Interpretation } from "../../src/domain/Provider.ts"
import { RequestHash } from "../../src/domain/RequestHash.ts"
import * as Custody from "../../src/infra/crypto/Custody.ts"
import * as Database from "../../src/infra/postgres/Database.ts"
import * as LogSignal from "../../src/infra/postgres/LogSignal.ts"
import * as PostgresGateStore from "../../src/infra/postgres/PostgresGateStore.ts"

export const endpoint = {
  name: EndpointName.make("paypal"),
  kind: "paypal",
  environment: "simulated"
} as const

export const policy: PolicyShape = {
  leaseMs: 30_000,
  maxAttempts: 3,
  backoffBaseMs: 1_000,
  backoffMaxMs: 60_000
}

/** A store of its own, with its own connections and groups: what a second gate would be. */
export const openStore = (
  url: string,
  options: {
    readonly policy?: Partial<PolicyShape>
    readonly connections?: number
    readonly masterKey?: Uint8Array
  } = {}
) => {
  const connections = options.connections ?? 4
  return Effect.map(
    Layer.build(
      PostgresGateStore.layer.pipe(
        Layer.provide(
          Layer.mergeAll(
            Database.layer({
              url: Redacted.make(url),
              claimConnections: connections,
              completionConnections: connections,
              statementTimeoutMs: 5_000
            }),
            Layer.fresh(LogSignal.layer),
            Layer.succeed(Policy, { ...policy, ...options.policy }),
            Custody.layer([
              { id: "test", key: Redacted.make(options.masterKey ?? new Uint8Array(32).fill(7)) }
            ])
          )
        ),
        Layer.fresh
      )
    ),
    (context) => context.mapUnsafe.get(GateStore.key) as typeof GateStore.Service
  )
}

/** A verified delivery of `body` under `key`. */
export const delivery = (
  key: string,
  body = key,
  options: { readonly transmission?: string; readonly crc32?: number; readonly quarantine?: boolean } = {}
): ClaimRequest => {
  const bytes = Buffer.from(body)
  return {
    delivery: {
      endpoint,
      headers: {},
      body: bytes,
      hash: RequestHash.make(createHash("sha256").update(bytes).digest("hex"))
    },
    identity: {
      dedupKey: DedupKey.make(key),
      eventType: "PAYMENT.CAPTURE.COMPLETED",
      transmission:
        options.transmission === undefined ? null : { id: options.transmission, crc32: options.crc32 ?? 1 },
      quarantine: options.quarantine ?? false
    },
    trace: null
  }
}

export const fact = (effectKey: string, value = "10.00"): BillingFact =>
  BillingFact.make({
    type: "billing.payment.captured.v1",
    effect_key: EffectKey.make(effectKey),
    provider_event_type: "PAYMENT.CAPTURE.COMPLETED",
    provider_event_id: null,
    payment_reference: effectKey,
    object_id: effectKey,
    parent_reference: null,
    amount: { value, currency: "EUR" },
    provider_status: null,
    occurred_at: null,
    confirmed_by: "signature"
  })

export const proving = (...facts: ReadonlyArray<BillingFact>): Interpretation => ({
  eventType: "PAYMENT.CAPTURE.COMPLETED",
  facts: facts.map((one) => ({ fact: one })),
  note: null
})

/** Claims, and fails the test where somebody else has it. */
export const claimed = Effect.fnUntraced(function* (store: typeof GateStore.Service, request: ClaimRequest) {
  const answer = yield* store.claim(request)
  if (answer._tag !== "Claimed") return yield* Effect.die(`not claimed: ${JSON.stringify(answer)}`)
  return answer.claim satisfies Claim
})
