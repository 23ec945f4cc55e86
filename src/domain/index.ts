/**
 * `oncegate/domain`: the state machine and its schemas, pure and without a clock. The one barrel of the house, because a
 * package needs an entry; nothing inside imports it.
 *
 * @module
 */
export * as BillingEvent from "./BillingEvent.ts"
export * as BillingEventTypes from "./BillingEventTypes.ts"
export * as BillingFact from "./BillingFact.ts"
export * as DedupKey from "./DedupKey.ts"
export * as EffectKey from "./EffectKey.ts"
export * as Fence from "./Fence.ts"
export * as Gate from "./Gate.ts"
export * as GateEvent from "./GateEvent.ts"
export * as Money from "./Money.ts"
export * as Outcome from "./Outcome.ts"
export * as OutcomeTypes from "./OutcomeTypes.ts"
export * as RecordHeaders from "./RecordHeaders.ts"
