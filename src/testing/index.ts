/**
 * `oncegate/testing`: what the gate's own tests are made of, for yours. No test runner and no service is needed.
 * docs/property-testing.md shows how.
 *
 * @module
 */
export * as Arbitraries from "./Arbitraries.ts"
export * as Commands from "./commands.ts"
export { type ExpectedEvent, given, givenOf, type Then } from "./given.ts"
export * as Laws from "./Laws.ts"
export { gate, type Machine } from "./Machine.ts"
export { makePayPal, type PayPalParty, type PayPalPartyOptions } from "./PayPalParty.ts"
export type { EventId, FactId, Round, Step } from "./Step.ts"
export { makeToss, type TossParty } from "./TossParty.ts"
export { type Made, play } from "./Trail.ts"
export { tell } from "./tell.ts"
export { type BrokenWebhook, toDelivery, type ValidWebhook, type Webhook } from "./Webhook.ts"
