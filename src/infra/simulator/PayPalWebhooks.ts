import * as Authorizations from "./PayPalAuthorizations.ts"
import * as Captures from "./PayPalCaptures.ts"
import * as Disputes from "./PayPalDisputes.ts"
import * as Payouts from "./PayPalPayouts.ts"
import * as Sales from "./PayPalSales.ts"
import * as Subscriptions from "./PayPalSubscriptions.ts"
import { envelope, type PayPalTold } from "./PayPalTold.ts"
import { type PayPalSigner, transmissions } from "./PayPalTransmission.ts"
import * as Unmapped from "./PayPalUnmapped.ts"
import * as Vault from "./PayPalVault.ts"
import type { Act, Story } from "./SimulatedEvent.ts"
import type { World } from "./World.ts"

type Plot = (world: World) => ReadonlyArray<PayPalTold>

/** What a merchant sees: mostly captures and sales, now and then the rest. */
const plots: ReadonlyArray<readonly [weight: number, plot: Plot]> = [
  [20, Captures.completed],
  [6, Captures.pendingThenCompleted],
  [3, Captures.pendingThenDenied],
  [2, Captures.declined],
  [8, Captures.refundedInParts],
  [3, Captures.reversed],
  [8, Sales.completed],
  [2, Sales.pendingThenDenied],
  [4, Sales.refunded],
  [3, Authorizations.created],
  [3, Authorizations.createdThenVoided],
  [6, Subscriptions.life],
  [3, Disputes.life],
  [5, Payouts.item],
  [5, Unmapped.orderApproved],
  [2, Unmapped.invoicePaid],
  [1, Unmapped.planCreated],
  [2, Unmapped.unknownType]
]

const draw = (world: World, from: typeof plots) => {
  let left = world.int(
    1,
    from.reduce((sum, [weight]) => sum + weight, 0)
  )
  for (const [weight, plot] of from) {
    left -= weight
    if (left <= 0) return plot
  }
  return Captures.completed
}

export interface PayPalOptions {
  readonly signer: PayPalSigner
  readonly copies: number
  /** Time of the transmissions: a gate refuses one that is older than its key retention. */
  readonly now: number
  /** Vault events are made only where the gate's pseudonyms are known. */
  readonly pseudonym?: Vault.Pseudonym
}

const act = (world: World, told: PayPalTold, options: PayPalOptions): Act => {
  const { id, json } = envelope(world, told)
  const body = Buffer.from(JSON.stringify(json), "utf8")
  const random = world.fork(id) // so that the number of copies never changes an event
  return {
    payments: [],
    paypalEvents: [json],
    events: [
      {
        endpoint: "paypal",
        eventType: told.eventType,
        dedupKey: `ev_${id}`,
        body,
        copies: transmissions(options.signer, random, body, options.copies, options.now),
        facts: told.facts(id).map((fact) => ({ endpoint: "paypal", ...fact }))
      }
    ]
  }
}

/** Exactly `count` events. A PayPal event proves itself, so each is a story of its own and may come in any order. */
export const stories = (world: World, count: number, options: PayPalOptions): Array<Story> => {
  const from =
    options.pseudonym === undefined ? plots : [...plots, [4, Vault.life(options.pseudonym)] as const]
  const told: Array<PayPalTold> = []
  while (told.length < count) told.push(...draw(world, from)(world))
  return told.slice(0, count).map((one) => [act(world, one, options)])
}

/** One event that makes one fact. */
export const oneCapture = (world: World, options: PayPalOptions): Act =>
  act(world, Captures.completed(world)[0]!, options)
