import * as PayPalTransmission from "./PayPalTransmission.ts"
import type { Pseudonym } from "./PayPalVault.ts"
import * as PayPalWebhooks from "./PayPalWebhooks.ts"
import type { Act, EndpointName, Story } from "./SimulatedEvent.ts"
import type { SimulatorClient } from "./SimulatorClient.ts"
import * as TossWebhooks from "./TossWebhooks.ts"
import * as World from "./World.ts"

export interface CastOptions {
  readonly seed: string
  readonly copies: number
  readonly now: number
  readonly pseudonym?: Pseudonym
}

const paypalOptions = (
  { identity, origin }: Who,
  { copies, now, pseudonym }: CastOptions
): PayPalWebhooks.PayPalOptions => ({
  ...(pseudonym === undefined ? {} : { pseudonym }),
  signer: PayPalTransmission.makeSigner(identity, origin),
  copies,
  now
})

const tossOptions = ({ identity }: Who, { copies, now }: CastOptions) => ({
  signer: { current: identity.securityKeys[0], retired: identity.retiredSecurityKey },
  copies,
  now
})

type Who = Pick<SimulatorClient, "identity" | "origin">

/** Each provider has a world of its own, so that it tells the same whether the other one speaks or not. */
const worldOf = (seed: string, endpoint: EndpointName) => World.make(seed, endpoint)

/** The stories of a run: exactly `events` events, shared evenly where both providers speak. */
export const stories = (
  who: Who,
  providers: ReadonlyArray<EndpointName>,
  events: number,
  options: CastOptions
): Array<Story> =>
  providers.flatMap((endpoint, index) => {
    const share = Math.floor(events / providers.length) + (index < events % providers.length ? 1 : 0)
    const world = worldOf(options.seed, endpoint)
    return endpoint === "paypal"
      ? PayPalWebhooks.stories(world, share, paypalOptions(who, options))
      : TossWebhooks.stories(world, share, tossOptions(who, options))
  })

/** One event of one provider, which makes one fact. */
export const oneEvent = (who: Who, endpoint: EndpointName, options: CastOptions): Act => {
  const world = worldOf(options.seed, endpoint)
  return endpoint === "paypal"
    ? PayPalWebhooks.oneCapture(world, paypalOptions(who, options))
    : TossWebhooks.oneCard(world, tossOptions(who, options))
}
