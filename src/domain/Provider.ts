import { Context, type Effect, Schema } from "effect"
import type { BillingFact } from "./BillingFact.ts"
import type { DedupKey } from "./DedupKey.ts"
import type { Delivery } from "./Delivery.ts"
import type { Endpoint } from "./Endpoint.ts"
import { ErrorCode, type FailureKind } from "./ErrorCode.ts"

/** The request does not prove that it comes from the provider. `reason` is a code for `explain` and the log, never sent back. */
export class SignatureInvalid extends Schema.TaggedError<SignatureInvalid>()("SignatureInvalid", {
  reason: Schema.String
}) {}

/** Whether the request is genuine cannot be told now (certificate not fetchable, unknown issuer): answer 503. */
export class VerificationUnavailable extends Schema.TaggedError<VerificationUnavailable>()(
  "VerificationUnavailable",
  { reason: Schema.String }
) {}

/** An unsigned body that is no JSON object, or holds nothing that an event could be known by: answer 400. */
export class PayloadInvalid extends Schema.TaggedError<PayloadInvalid>()("PayloadInvalid", {
  reason: Schema.String
}) {}

/** Processing did not succeed; `kind` decides what happens next. `retryAfterMs` is what the provider asked for. */
export class ProcessFailed extends Schema.TaggedError<ProcessFailed>()("ProcessFailed", {
  kind: Schema.Literals(["permanent", "world", "event"]),
  code: ErrorCode,
  retryAfterMs: Schema.optionalKey(Schema.Finite)
}) {
  static of(kind: FailureKind, code: ErrorCode, retryAfterMs?: number) {
    return new ProcessFailed({ kind, code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }
}

/** A provider whose signature does not cover the whole body: one transmission may carry one body only. */
export interface Transmission {
  readonly id: string
  /** Unsigned CRC-32 of the body: all of it that the signature covers. */
  readonly crc32: number
}

/** What a verified delivery is about. */
export interface Identity {
  readonly dedupKey: DedupKey
  /** The provider's event type, or null where the body names none. */
  readonly eventType: string | null
  readonly transmission: Transmission | null
  /** Verified, but no JSON object: kept, shown, never processed. */
  readonly quarantine: boolean
  /**
   * What the delivery proves by itself, where nobody else need be asked: the event is claimed and completed in one commit.
   * Absent where it proves nothing, or where its interpretation fails: then it is claimed, and processed after that.
   */
  readonly proven?: Interpretation
}

/** A fact, and the condition under which it is one: `withdrawn` means nothing where nothing was received. */
export interface ProposedFact {
  readonly fact: BillingFact
  /** Book it only where a fact of this endpoint whose effect key starts so is booked already. Needs `stateOf`. */
  readonly onlyAfter?: string
}

/** What an event says, oldest fact first. */
export interface Interpretation {
  /** The provider's event type, or null where the body names none. */
  readonly eventType: string | null
  readonly facts: ReadonlyArray<ProposedFact>
  /** Why there is no fact, where there is none: `unmapped` (no such mapping), `unconfirmable` (no API to ask), `superseded`. */
  readonly note: "unmapped" | "unconfirmable" | "superseded" | null
  /**
   * What the facts tell the present state of, where a later state may take back an earlier one: a virtual account. Of two
   * answers about it, the one that was asked for first is never booked second. Absent where facts never lose their truth.
   */
  readonly stateOf?: string
}

/** An event out of custody: what interpretation may know, at its first attempt and at every later one. */
export interface Event {
  readonly endpoint: Endpoint
  readonly dedupKey: DedupKey
  readonly body: Uint8Array
}

/** What a provider adapter must do. */
export interface Provider {
  readonly endpoint: Endpoint
  /** Further route names that lead here. */
  readonly aliases: ReadonlyArray<string>
  /** Verifies a delivery as far as the request itself allows, then names it. Nothing is stored before this succeeds. */
  readonly identify: (
    delivery: Delivery
  ) => Effect.Effect<Identity, SignatureInvalid | VerificationUnavailable | PayloadInvalid>
  /** Turns an event into billing facts; asks the provider's API where the event itself proves nothing. */
  readonly interpret: (event: Event) => Effect.Effect<Interpretation, ProcessFailed>
}

/** The configured receivers, by route name and alias. */
export class Providers extends Context.Service<Providers, ReadonlyMap<string, Provider>>()(
  "oncegate/domain/Providers"
) {}
