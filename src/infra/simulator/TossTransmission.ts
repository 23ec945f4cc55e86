import { createHmac } from "node:crypto"
import type { ExpectedFact, Json, SimulatedEvent } from "./SimulatedEvent.ts"
import { withOffset } from "./TossTime.ts"
import type { World } from "./World.ts"

/** What Toss signs payout and seller events with. */
export interface TossSigner {
  readonly current: string
  readonly retired: string
}

export interface TossOptions {
  readonly signer: TossSigner
  readonly copies: number
  /** Time of the first transmission. */
  readonly now: number
}

/**
 * Two values, as in the seven days after a change of keys, the valid one first or last. Whether Toss keys its HMAC with
 * the hex text of the security key or with the bytes it stands for is not documented: both kinds occur here.
 */
const signature = (world: World, { current, retired }: TossSigner, body: Buffer, time: string) => {
  const text = world.chance(0.5)
  const value = (key: string) =>
    `v1:${createHmac("sha256", text ? key : Buffer.from(key, "hex"))
      .update(body)
      .update(`:${time}`)
      .digest("base64")}`
  return (world.chance(0.5) ? [current, retired] : [retired, current]).map(value).join(",")
}

/** A retry of Toss keeps its transmission id; the count goes up. */
const copies = (world: World, body: Buffer, signed: boolean, id: string, options: TossOptions) => {
  const random = { ...world, ...world.fork(id) } // so that the number of copies never changes an event
  const time = withOffset(options.now)
  const signing = signed
    ? { "tosspayments-webhook-signature": signature(random, options.signer, body, time) }
    : {}
  return Array.from({ length: options.copies }, (_, retried) => ({
    "content-type": "application/json",
    "user-agent": "TossPayments Webhook",
    "tosspayments-webhook-transmission-id": id,
    "tosspayments-webhook-transmission-time": time,
    "tosspayments-webhook-transmission-retried-count": String(retried),
    ...signing
  }))
}

/** One event of Toss with all its deliveries. */
export const transmit = (
  world: World,
  options: TossOptions,
  told: {
    readonly eventType: string
    readonly json: Json
    readonly signed?: boolean
    readonly facts: ReadonlyArray<ExpectedFact>
  }
): SimulatedEvent => {
  const id = `whtrans_a${world.ulid()}`
  const body = Buffer.from(JSON.stringify(told.json), "utf8")
  return {
    endpoint: "toss",
    eventType: told.eventType,
    dedupKey: `tx_${id}`,
    body,
    copies: copies(world, body, told.signed === true, id, options),
    facts: told.facts
  }
}
