import { Clock, Effect, type Redacted, Result } from "effect"
import { ofRawBody } from "../../domain/DedupKey.ts"
import { type Delivery, singleHeader } from "../../domain/Delivery.ts"
import type { Endpoint } from "../../domain/Endpoint.ts"
import {
  type Event,
  type Identity,
  type Interpretation,
  PayloadInvalid,
  ProcessFailed,
  type Provider,
  type SignatureInvalid
} from "../../domain/Provider.ts"
import { type Draft, propose } from "./FactDrafts.ts"
import { idAt, wordAt } from "./JsonFields.ts"
import * as LookupQueue from "./LookupQueue.ts"
import { type JsonObject, parseObject } from "./StrictJson.ts"
import { makePaymentLookup } from "./TossApi.ts"
import {
  announcementOf,
  dedupKeyOf,
  isSigned,
  nameText,
  paymentNameOf,
  readEvent,
  type TossEvent,
  tellsOfPayment
} from "./TossEvent.ts"
import { isVirtualAccount, provenBy } from "./TossFacts.ts"
import { payoutFacts } from "./TossPayout.ts"
import { isBefore } from "./TossProgress.ts"
import { SIGNATURE_HEADER, verifySignature } from "./TossSignature.ts"
import { makeRecentPayments } from "./TossTransactions.ts"

export interface TossOptions {
  readonly endpoint: Endpoint
  /** Under which payments are asked for. */
  readonly secretKey: Redacted.Redacted
  /** Under which payout and seller events are signed; more than one while they are changed. */
  readonly securityKeys: ReadonlyArray<Redacted.Redacted>
  readonly apiOrigin: string
  /** Events that wait for the API at once, or are at work there; past it those that Toss's list does not have are put off. */
  readonly places: number
  /** A signed time older than this is refused. Milliseconds. */
  readonly keyRetentionMs: number
}

const TRANSMISSION_ID = "tosspayments-webhook-transmission-id"

/** Types of which no API can tell whether they are true. */
const UNCONFIRMABLE = new Set(["BILLING_DELETED", "METHOD_UPDATED", "CUSTOMER_STATUS_CHANGED"])

/** Toss's list is of approvals and cancellations: payments that never came to one are not on it. */
const NEVER_LISTED: ReadonlySet<string | null> = new Set(["ABORTED", "EXPIRED"])

const invalid = (reason: string) => new PayloadInvalid({ reason })

interface Reading {
  readonly drafts: ReadonlyArray<Draft>
  /** Said where there is no fact. */
  readonly note: NonNullable<Interpretation["note"]>
  readonly stateOf?: string | undefined
}

/** What an event says that tells of no payment: there is nothing to ask. */
const read = (event: TossEvent): Reading =>
  event.type === "payout.changed"
    ? { drafts: payoutFacts(event), note: "unmapped" }
    : { drafts: [], note: UNCONFIRMABLE.has(event.type ?? "") ? "unconfirmable" : "unmapped" }

const interpretationOf = ({ type }: TossEvent, { drafts, note, stateOf }: Reading) =>
  Effect.map(
    propose(drafts),
    (facts): Interpretation => ({
      eventType: type,
      facts,
      note: facts.length === 0 ? note : null,
      ...(stateOf === undefined ? {} : { stateOf })
    })
  )

/** Toss Payments: what its requests prove, which is little, and what its API confirms. */
export const make = Effect.fn("Toss.make")(function* (options: TossOptions) {
  const { endpoint } = options
  const lookup = makePaymentLookup(options)
  const queue = yield* LookupQueue.make<JsonObject>({
    provider: endpoint.name,
    recent: makeRecentPayments(options),
    places: options.places
  })

  const identify = Effect.fnUntraced(function* (
    delivery: Delivery
  ): Effect.fn.Return<Identity, PayloadInvalid | SignatureInvalid> {
    const signature = verifySignature(delivery, options, yield* Clock.currentTimeMillis)
    const body = parseObject(delivery.body)
    if (Result.isFailure(body)) {
      // Signed, so it is Toss's; a body that is no object and unsigned is anybody's.
      if (delivery.headers[SIGNATURE_HEADER] === undefined || Result.isFailure(signature)) {
        return yield* invalid(body.failure)
      }
      return { dedupKey: ofRawBody(delivery.hash), eventType: null, transmission: null, quarantine: true }
    }
    const event = readEvent(body.success)
    if (isSigned(event)) yield* Effect.fromResult(signature)
    // Two ids would let the sender choose under which one a gate behind another proxy sees the event.
    if ((delivery.headers[TRANSMISSION_ID]?.length ?? 0) > 1) return yield* invalid("header_repeated")
    const dedupKey = dedupKeyOf(event, singleHeader(delivery, TRANSMISSION_ID))
    if (dedupKey === undefined) return yield* invalid("no_identity")
    const identity = { dedupKey, eventType: event.type, transmission: null, quarantine: false }
    if (tellsOfPayment(event)) return identity
    const proven = yield* Effect.exit(interpretationOf(event, read(event)))
    return proven._tag === "Success" ? { ...identity, proven: proven.value } : identity
  })

  /** The transmission id and the body are anybody's to send: facts come from Toss's answer and from nothing else. */
  const confirmed = Effect.fnUntraced(function* (event: TossEvent): Effect.fn.Return<Reading, ProcessFailed> {
    const name = paymentNameOf(event)
    // An overseas cancellation names no payment by design. Anything else that names none is anybody's invention: it must
    // make no fact, and no work for a person either, or whoever knows the address could fill the list of the parked.
    if (name === undefined) return { drafts: [], note: "unconfirmable" as const }
    const announced = announcementOf(event)
    const payment = yield* queue({
      name: nameText(name.field, name.value),
      isListed: !NEVER_LISTED.has(announced.status),
      lookup: lookup(name)
    })
    if (isBefore(payment, announced, yield* Clock.currentTimeMillis)) {
      return yield* ProcessFailed.of("world", "not_visible_yet")
    }
    const note =
      announced.status === wordAt(payment, "status") ? ("unmapped" as const) : ("superseded" as const)
    const stateOf = isVirtualAccount(payment) ? idAt(payment, "paymentKey") : undefined
    return { drafts: provenBy(payment, event.type), note, stateOf }
  })

  const interpret = Effect.fn("Toss.interpret")(function* ({ body }: Event) {
    const event = readEvent(
      yield* Effect.fromResult(parseObject(body)).pipe(
        Effect.mapError(() => ProcessFailed.of("permanent", "not_json_object"))
      )
    )
    return yield* interpretationOf(event, tellsOfPayment(event) ? yield* confirmed(event) : read(event))
  })

  return { endpoint, aliases: ["tosspayments"], identify, interpret } satisfies Provider
})
