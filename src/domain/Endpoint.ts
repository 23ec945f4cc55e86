import { Schema } from "effect"

/** Name of a configured receiver: the last part of its route and the `provider` column of every table. */
export const EndpointName = Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,31}$/u)).pipe(
  Schema.brand("EndpointName")
)
export type EndpointName = typeof EndpointName.Type

export const ProviderKind = Schema.Literals(["paypal", "toss"])
export type ProviderKind = typeof ProviderKind.Type

export const Environment = Schema.Literals(["live", "sandbox", "simulated"])
export type Environment = typeof Environment.Type

/** A configured receiver. The first start fixes kind and environment in the database. */
export interface Endpoint {
  readonly name: EndpointName
  readonly kind: ProviderKind
  readonly environment: Environment
}
