import { createHmac } from "node:crypto"
import * as Arbitrary from "effect/Arbitrary"
import type { SeededRandom } from "../infra/simulator/SeededRandom.ts"
import * as Notices from "../infra/simulator/TossNotices.ts"
import { withOffset } from "../infra/simulator/TossTime.ts"
import * as TossWebhooks from "../infra/simulator/TossWebhooks.ts"
import * as World from "../infra/simulator/World.ts"
import {
  type Break,
  type BrokenWebhook,
  brokenBy,
  interleaved,
  seeds,
  type ValidWebhook,
  valid
} from "./Webhook.ts"

/** A Toss Payments of its own, and everything that it may send. Its payment events are unsigned, its payouts signed. */
export interface TossParty {
  /** What a gate is configured with: `TOSS_SECURITY_KEYS`. */
  readonly securityKey: string
  readonly valid: Arbitrary.Arbitrary<ValidWebhook>
  readonly broken: Arbitrary.Arbitrary<BrokenWebhook>
  /** A series of deliveries: some payments with all that happens to them, each event once to four times, in any order. */
  readonly deliveries: Arbitrary.Arbitrary<ReadonlyArray<ValidWebhook>>
}

const SIGNATURE = "tosspayments-webhook-signature"
const TIME = "tosspayments-webhook-transmission-time"
const ID = "tosspayments-webhook-transmission-id"
const DAY = 86_400_000

const breaksOf = (securityKey: string, retired: string, now: number): Readonly<Record<string, Break>> => {
  const header = (
    status: Break["status"],
    name: string,
    change: (value: string, random: SeededRandom) => string | ReadonlyArray<string>
  ): Break => ({
    status,
    make: ({ body, headers }, random) => ({
      body,
      headers: { ...headers, [name]: change(String(headers[name]), random) }
    })
  })
  const signed = (key: string, time = withOffset(now)): Break => ({
    status: 401,
    make: ({ body, headers }) => {
      const mac = createHmac("sha256", key).update(body).update(`:${time}`).digest("base64")
      return { body, headers: { ...headers, [TIME]: time, [SIGNATURE]: `v1:${mac}` } }
    }
  })
  const unsigned = (words: string): Break => ({
    status: 400,
    make: ({ headers: { [SIGNATURE]: _, ...headers } }) => ({ body: Buffer.from(words), headers })
  })
  return {
    "a payout without a signature": {
      status: 401,
      make: ({ body, headers: { [SIGNATURE]: _, ...headers } }) => ({ body, headers })
    },
    "a payout with an empty signature": header(401, SIGNATURE, () => ""),
    "a payout with a bare scheme": header(401, SIGNATURE, () => "v1:"),
    "a payout with another scheme": header(401, SIGNATURE, (value) => value.replaceAll("v1:", "v0:")),
    "a payout with its signature cut short": header(401, SIGNATURE, (value, random) =>
      value.slice(0, random.int(3, 30))
    ),
    "a payout with its signature twice": header(401, SIGNATURE, (value) => [value, value]),
    "a payout at another time": header(401, TIME, () => withOffset(now - 60_000)),
    "a payout at a time that is none": header(401, TIME, () => "yesterday"),
    "a payout signed with a retired key": signed(retired),
    "a payout signed with an empty key": signed(""),
    "a payout signed with the key and a line feed": signed(`${securityKey}\n`),
    "a payout signed longer ago than keys are kept": signed(securityKey, withOffset(now - 500 * DAY)),
    "a payout changed after it was signed": {
      status: 401,
      make: ({ body, headers }) => ({
        body: Buffer.from(
          Buffer.from(body)
            .toString("utf8")
            .replace(/"value":(\d)/, '"value":9$1')
        ),
        headers
      })
    },
    "two transmission ids": header(400, ID, (value) => [value, `${value}x`]),
    "unsigned, and a list": unsigned("[]"),
    "unsigned, and null": unsigned("null"),
    "unsigned, and empty": unsigned(""),
    "unsigned, and no JSON": unsigned("status=DONE"),
    "unsigned, and one name twice": unsigned('{"status":"DONE","status":"CANCELED"}'),
    "unsigned, and known by nothing": {
      status: 400,
      make: () => ({ body: Buffer.from("{}"), headers: { "content-type": "application/json" } })
    }
  }
}

/** A Toss Payments and its arbitraries. `now`: time of the transmissions, milliseconds. */
export const makeToss = (options: { readonly now?: number } = {}): TossParty => {
  const now = options.now ?? Date.now()
  const securityKey = "0f".repeat(32)
  const retired = "a1".repeat(32)
  const signer = { current: securityKey, retired }
  const worldOf = (random: SeededRandom) => World.make(random.text("0123456789abcdef", 16))
  const told = (random: SeededRandom, count: number, copies: number) =>
    TossWebhooks.stories(worldOf(random), count, { signer, copies, now })
  const payout = (random: SeededRandom) =>
    valid(Notices.payout(worldOf(random), { signer, copies: 1, now })[0]!.events[0]!, 0)
  return {
    securityKey,
    valid: Arbitrary.map(seeds, (random) => {
      const { events, payments } = told(random, 1, 1)[0]!.find((act) => act.events.length > 0)!
      return valid(events[0]!, 0, payments)
    }),
    broken: brokenBy(breaksOf(securityKey, retired, now), payout),
    deliveries: Arbitrary.map(seeds, (random) =>
      interleaved(told(random, random.int(1, 6), random.int(1, 4)), random)
    )
  }
}
