import type { Endpoint } from "./Endpoint.ts"
import type { RequestHash } from "./RequestHash.ts"

/** One HTTP request of a provider, as it came in: nothing parsed, nothing trusted. */
export interface Delivery {
  readonly endpoint: Endpoint
  /** Lower-case name to every value sent under it: a doubled signature header must be seen as such. */
  readonly headers: Readonly<Record<string, ReadonlyArray<string> | undefined>>
  readonly body: Uint8Array
  readonly hash: RequestHash
}

/** The value of a header that was sent exactly once, else undefined. */
export const singleHeader = (delivery: Delivery, name: string) => {
  const values = delivery.headers[name]
  return values !== undefined && values.length === 1 && values[0] !== "" ? values[0] : undefined
}
