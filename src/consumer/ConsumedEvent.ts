import type { BillingEvent } from "../domain/BillingEvent.ts"
import type { FactType } from "../domain/BillingFact.ts"
import type { Outcome, OutcomeType } from "../domain/Outcome.ts"

/** Where a record stood in Kafka. */
export interface Origin {
  readonly topic: string
  readonly partition: number
  /** Decimal: an offset can outgrow a number. */
  readonly offset: string
}

/** A record as a handler gets it: the CloudEvent's attributes, and its data checked against the schema of its type. */
export interface ConsumedEvent<Type extends string = string, Data = unknown> {
  /** `ce_id`: the same fact has the same id for ever, in replays too. What the kit drops repeats by. */
  readonly id: string
  /** `ce_source`: `/oncegate/{endpoint}`. */
  readonly source: string
  /** `ce_type`. */
  readonly type: Type
  /** `ce_subject`: the payment reference of a fact, the dedup key of an outcome. */
  readonly subject: string | null
  /** `ce_time`: when the gate recorded it, ISO 8601. */
  readonly time: string | null
  /** `ce_sequence`: the position in the gate's log, 20 digits. */
  readonly sequence: string | null
  readonly traceparent: string | null
  /** Published again by `oncegate replay`. */
  readonly replay: boolean
  /** Fields that this version does not know are kept. */
  readonly data: Data
  /** The record's key, `{endpoint}/{payment_reference}` for facts: the scope of order. */
  readonly key: string | null
  readonly origin: Origin
  /** 1 at the first try in this process. */
  readonly attempt: number
}

/** The data of each type that Oncegate publishes. */
export type DataOf<Type extends FactType | OutcomeType> = Type extends FactType ? BillingEvent : Outcome
export type KnownType = FactType | OutcomeType
