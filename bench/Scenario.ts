import type { Contestant } from "./Contestant.ts"
import type { Order } from "./load/Order.ts"
import type { Pool } from "./prepare/Kind.ts"

/** What is sent to a contestant, and how. */
export interface LoadSpec {
  readonly connections: number
  readonly order?: Order
  /** What deliveries are, by their part of the whole; default: PayPal captures alone. */
  readonly mix?: ReadonlyArray<{ readonly pool: Pool; readonly share: number }>
  /** Requests a second; default: as fast as answers come. */
  readonly rate?: number
  readonly cycle?: boolean
  /** Times the seconds of the run. */
  readonly lasts?: number
  /** Most deliveries a second that this could take: so many are made. */
  readonly ceiling?: number
  /** Share of Toss's API calls that fail. */
  readonly apiFails?: number
}

/** One row of the table: measured once a round. */
export type Cell = { readonly name: string } & (
  | {
      readonly kind: "load"
      readonly contestant: Contestant
      readonly load: LoadSpec
      readonly watch?: boolean
    }
  | {
      readonly kind: "kill"
      readonly contestant: Contestant
      readonly ids: number
      readonly connections: number
    }
  | { readonly kind: "start"; readonly contestant: Contestant }
  | {
      readonly kind: "outage"
      readonly contestant: Contestant
      readonly load: LoadSpec & { readonly rate: number }
    }
  | { readonly kind: "pgbench"; readonly clients: number }
)

export interface Scenario {
  readonly name: string
  /** One line for the table's head. */
  readonly title: string
  /** Ratios are to this cell of the same round; default: the first one. */
  readonly reference?: string
  readonly cells: ReadonlyArray<Cell>
  /** Measured in one round, however many there are. */
  readonly once?: boolean
}
